//! What is installed: the packages that were made, or one with the same files and scripts, put together from this tree.

use crate::support::process::run;
use crate::support::scratch::skip;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const TREE: &str = env!("CARGO_MANIFEST_DIR");

/// The deb.
pub(crate) fn deb() -> &'static Path {
    static DEB: OnceLock<PathBuf> = OnceLock::new();
    DEB.get_or_init(|| made("deb").unwrap_or_else(assemble))
}

/// The rpm, where it was made.
pub(crate) fn rpm() -> Option<PathBuf> {
    let rpm = made("rpm");
    if rpm.is_none() {
        skip("`ZK_SUPERVISE_PACKAGES` names no directory with an rpm");
    }
    rpm
}

/// The newest package of a kind that was made.
fn made(kind: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("ZK_SUPERVISE_PACKAGES")?;
    // Tests run in the project's root, like what names the directory.
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{directory:?}: {error}"));
    let paths = entries.flatten().map(|entry| entry.path());
    let packages = paths.filter(|path| path.extension().is_some_and(|it| it == kind));
    let package = packages.max_by_key(|path| {
        let metadata = fs::metadata(path);
        metadata.and_then(|it| it.modified()).expect("it is there")
    });
    Some(package.unwrap_or_else(|| panic!("no {kind} in {directory:?}")))
}

/// The deb as `Cargo.toml` describes it, with the binary that is tested.
fn assemble() -> PathBuf {
    let manifest = fs::read_to_string(Path::new(TREE).join("Cargo.toml")).expect("it is there");
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let (package, deb) = (
        &manifest["package"],
        &manifest["package"]["metadata"]["deb"],
    );
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    let _ = fs::remove_dir_all(&root);
    for asset in deb["assets"].as_array().expect("a list") {
        let field = |at: usize| asset[at].as_str().expect("a string");
        put(&source(field(0)), &root, field(1), field(2));
    }
    let scripts = Path::new(TREE).join(deb["maintainer-scripts"].as_str().expect("a string"));
    for script in fs::read_dir(scripts).expect("it is there").flatten() {
        put(&script.path(), &root, "DEBIAN/", "755");
    }
    let version = package["version"].as_str().expect("a string");
    let control = format!(
        "Package: zk-supervise\nVersion: {version}-0test\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n\
         Description: put together from its sources\n"
    );
    fs::write(root.join("DEBIAN/control"), control).expect("the directory is ours");
    let file = root.with_extension("deb");
    let paths = [&root, &file].map(|path| path.to_str().expect("target paths are UTF-8"));
    run(
        "dpkg-deb",
        &[
            "--root-owner-group",
            "-Znone",
            "--build",
            paths[0],
            paths[1],
        ],
    )
    .unwrap_or_else(|error| panic!("{error}"));
    file
}

fn source(asset: &str) -> PathBuf {
    match asset {
        "target/packaging/zk-supervise" => env!("CARGO_BIN_EXE_zk-supervise").into(),
        _ => Path::new(TREE).join(asset),
    }
}

/// Copies a file to `target`, into it if that is a directory; what only the build makes is left out.
fn put(source: &Path, root: &Path, target: &str, mode: &str) {
    let is_made = source.starts_with(Path::new(TREE).join("target"));
    if is_made && !source.exists() {
        return;
    }
    let mut path = root.join(target);
    if target.ends_with('/') {
        path.push(source.file_name().expect("a file"));
    }
    fs::create_dir_all(path.parent().expect("it is below the root")).expect("it is ours");
    fs::copy(source, &path).expect("it is ours");
    let mode = u32::from_str_radix(mode, 8).expect("octal digits");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
}
