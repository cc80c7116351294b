use super::*;

#[test]
fn a_program_whose_file_was_replaced_is_found_at_its_path() {
    for (link, path) in [
        ("/usr/bin/zk-supervise (deleted)", "/usr/bin/zk-supervise"),
        ("/usr/bin/zk-supervise", "/usr/bin/zk-supervise"),
        ("/opt/a (deleted)/b", "/opt/a (deleted)/b"),
    ] {
        assert_eq!(undeleted(link.into()), path.as_bytes());
    }
}

#[test]
fn no_two_incarnations_have_one_number() {
    let numbers: std::collections::HashSet<u64> = (0..4).flat_map(|_| random()).collect();
    assert_eq!(numbers.len(), 4);
}
