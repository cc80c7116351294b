//! P2: what is shorter than the lease allows does not touch the child: same process, no restart.
//!
//! Each test prints for how long renewals were out; the README's table has these figures.

use crate::measure::{
    ELECTED_WITHIN, Outage, all, cost, links, notices, said, start_at, used, wait_whole,
};
use crate::support::{
    Config, Ensemble, Group, Link, Run, Supervisor, Way, holds_for, millis, refuse_all, secs,
    shared, tell, wait_for, wait_until,
};
use std::time::Duration;
use zk_supervise::core::lease::{Timing, Wish};

/// A master whose child must live through what a test does, and a standby that must not think it dead.
struct Calm {
    group: Group,
    links: Vec<Link>,
    host: Supervisor,
    _standby: Supervisor,
    run: Run,
}

impl Calm {
    /// A master that is attached to the server at `at`, with the default settings but for what `change` changes.
    #[track_caller]
    fn attached(ensemble: &Ensemble, at: usize, change: impl Fn(Config) -> Config) -> Calm {
        let group = Group::new(ensemble);
        let links = links(ensemble);
        let config = |name| change(group.config(name).unset("zookeeper.session_timeout"));
        let host = start_at(config("master"), &links, at);
        let run = group.wait_running(ELECTED_WITHIN);
        let standby = config("standby").start();
        wait_until("both are listed", ELECTED_WITHIN, || {
            group.candidates().len() == 2
        });
        Calm {
            group,
            links,
            host,
            _standby: standby,
            run,
        }
    }

    /// One on each server of three.
    #[track_caller]
    fn on_each(ensemble: &Ensemble, change: impl Fn(Config) -> Config) -> Vec<Calm> {
        (0..ensemble.servers().len())
            .map(|at| Calm::attached(ensemble, at, &change))
            .collect()
    }

    /// Whether the child that was started first is the only one that ever was, and runs.
    fn is_untouched(&self) -> bool {
        self.run.is_alive() && self.group.record().starts().len() == 1
    }

    /// Does `harm`, waits until renewals are answered again, and returns how long they were not.
    #[track_caller]
    fn lives_through(&self, what: &str, harm: impl FnOnce(&Calm)) -> Duration {
        live_through(std::slice::from_ref(self), what, |calms| harm(&calms[0]))
    }
}

/// The same for several at once: the longest outage of all.
#[track_caller]
fn live_through(calms: &[Calm], what: &str, harm: impl FnOnce(&[Calm])) -> Duration {
    let outages: Vec<Outage> = calms.iter().map(|it| Outage::begin(&it.host)).collect();
    harm(calms);
    let outages: Vec<Duration> = outages
        .into_iter()
        .zip(calms)
        .map(|(outage, calm)| outage.end(&calm.host, secs(30)))
        .collect();
    tell(&format!("{what}: renewals were out for {outages:.2?}"));
    for calm in calms {
        assert!(calm.is_untouched(), "{what}: {:?}", calm.group.record());
    }
    outages.into_iter().max().unwrap_or_default()
}

/// Closes every port between the servers' word that the session goes on and their answer to the first request: the
/// library says that it is connected, and nothing more until it is so again.
#[track_caller]
fn lose_half_made(calm: &Calm) {
    let connected = || said(&calm.host, "connected again");
    let before = connected();
    all(&calm.links, |link| link.delay(millis(300)));
    all(&calm.links, Link::reset);
    wait_until("it is connected again", secs(10), || connected() > before);
    refuse_all(&calm.links);
}

fn timing(session: Duration) -> Timing {
    Wish {
        session_timeout: Some(session),
        ..Wish::default()
    }
    .timing()
}

/// Waits until a server other than `old` leads, which may be dark.
#[track_caller]
fn wait_succeeded(ensemble: &Ensemble, old: &str) {
    wait_for("another server leads", secs(40), || {
        let mut others = ensemble.servers().iter().filter(|it| it.address() != old);
        others.find(|server| server.is_leader()).map(drop)
    });
}

#[test]
fn a_connection_that_is_cut_and_heals_inside_the_lease_does_not_touch_the_child() {
    // Lease 8.3 s; the stop signal would come 6.2 s after the last good renewal.
    let calm = Calm::attached(shared(), 0, |config| {
        config
            .session(secs(10))
            .set("command.grace_period", "\"1s\"")
    });
    let harm_all = |what: &str, span: Duration, act: &dyn Fn(&Calm)| {
        calm.lives_through(what, |calm| {
            act(calm);
            holds_for("the child runs on", span, || calm.is_untouched());
            all(&calm.links, Link::heal);
        })
    };
    let harm = |what: &str, span: Duration, act: &dyn Fn(&Link)| {
        harm_all(what, span, &|calm| all(&calm.links, act))
    };
    harm("reset", millis(0), &Link::reset);
    harm_all("refused for 1.5 s", millis(1500), &|calm| {
        refuse_all(&calm.links)
    });
    harm_all(
        "lost while it was made, and refused for 1.5 s",
        millis(1500),
        &lose_half_made,
    );
    harm(
        "everything swallowed for 0.5 s",
        millis(500),
        &Link::blackhole,
    );
    harm("everything swallowed for 3 s", secs(3), &Link::blackhole);
    harm("no answers for 1.5 s", millis(1500), &|link| {
        link.hold(Way::ToClient)
    });
    harm("no requests for 1.5 s", millis(1500), &|link| {
        link.hold(Way::ToServer)
    });
    harm("100 ms more each way for 2 s", secs(2), &|link| {
        link.delay(millis(100))
    });
    calm.lives_through("the server in use swallows everything", |calm| {
        let link = used(&calm.links);
        link.blackhole();
        let others = || {
            calm.links
                .iter()
                .filter(|it| it.address() != link.address())
        };
        wait_until("another server is found", secs(6), || {
            others().any(|it| it.connections() > 0)
        });
    });
}

#[test]
fn servers_that_are_restarted_one_by_one_or_killed_do_not_touch_a_child_with_the_default_settings()
{
    let ensemble = Ensemble::start(3);
    let calms = Calm::on_each(&ensemble, |config| config);
    for (number, server) in ensemble.servers().iter().enumerate() {
        let role = if server.is_leader() {
            "leader"
        } else {
            "follower"
        };
        live_through(&calms, &format!("{role} {number} restarted"), |_| {
            server.restart();
            wait_whole(&ensemble);
        });
    }
    let outage = live_through(&calms, "leader killed", |_| {
        let leader = ensemble.leader();
        leader.kill();
        wait_succeeded(&ensemble, &leader.address());
    });
    assert!(outage < timing(secs(30)).rides_out());
}

#[test]
fn a_server_that_goes_dark_does_not_touch_a_child_with_the_default_settings() {
    let ensemble = Ensemble::start(3);
    let calms = Calm::on_each(&ensemble, |config| config);
    let follower = ensemble.followers()[0];
    let outage = live_through(&calms, "follower dark", |_| {
        follower.freeze();
        // What it held back is never answered: the one on it must find another server.
        let at = ensemble
            .servers()
            .iter()
            .position(|it| it.address() == follower.address());
        let calm = &calms[at.expect("one of them")];
        wait_until("another server is found", secs(20), || {
            let mut links = calm.links.iter().enumerate();
            links.any(|(index, link)| Some(index) != at && link.connections() > 0)
        });
    });
    // Found out after a connect timeout of 2 s; the library may try the same one again, and a new session once more.
    println!("a follower that goes dark keeps renewals out for {outage:?}");
    follower.thaw();
    wait_whole(&ensemble);
    let leader = ensemble.leader();
    let outage = live_through(&calms, "leader dark", |_| {
        leader.freeze();
        wait_succeeded(&ensemble, &leader.address());
    });
    assert!(outage > secs(8), "the followers give it up after 10 s");
    leader.thaw();
    wait_whole(&ensemble);
    live_through(&calms, "the old leader back", |_| ());
}

#[test]
fn a_server_that_freezes_right_after_a_renewal_was_answered_does_not_touch_the_child() {
    let ensemble = Ensemble::quick();
    let calm = Calm::attached(&ensemble, 0, |config| {
        config
            .session(secs(8))
            .set("command.grace_period", "\"500ms\"")
    });
    for _ in 0..3 {
        let mut frozen = None;
        calm.lives_through("frozen after a renewal", |calm| {
            let link = used(&calm.links);
            let at = calm
                .links
                .iter()
                .position(|it| it.address() == link.address());
            let server = &ensemble.servers()[at.expect("one of them")];
            let version = || Some(calm.group.znodes().read(&calm.group.term())?.stat.version);
            let before = version();
            wait_until("the next renewal is committed", secs(5), || {
                version() > before
            });
            server.freeze();
            frozen = Some(server);
            wait_until("another server is found", secs(10), || {
                let mut links = calm.links.iter().enumerate();
                links.any(|(index, link)| Some(index) != at && link.connections() > 0)
            });
        });
        frozen.expect("just frozen").thaw();
        wait_whole(&ensemble);
    }
}

#[test]
fn an_ensemble_that_is_gone_for_less_than_the_lease_allows_does_not_touch_the_child() {
    let ensemble = Ensemble::quick();
    // Lease 50 s: servers take their time to start on a busy machine.
    let calm = Calm::attached(&ensemble, 0, |config| {
        config
            .session(secs(60))
            .set("command.grace_period", "\"1s\"")
    });
    let outage = calm.lives_through("all servers down", |calm| {
        for server in ensemble.servers() {
            server.kill();
        }
        let (cost_before, notices_before) = (cost(&calm.host), notices(&calm.host).len());
        holds_for("the child runs on", secs(3), || calm.is_untouched());
        let used = cost(&calm.host).saturating_sub(cost_before);
        assert!(used < millis(600), "{used:?} of 3 s");
        let notices = notices(&calm.host).split_off(notices_before);
        assert!(notices.len() <= 2, "{notices:?}");
        for server in ensemble.servers() {
            server.start();
        }
        wait_whole(&ensemble);
    });
    assert!(outage > secs(3));
    calm.lives_through("majority lost", |calm| {
        for follower in ensemble.followers() {
            follower.stop();
        }
        holds_for("the child runs on", secs(3), || calm.is_untouched());
        for server in ensemble.servers() {
            server.start();
        }
        wait_whole(&ensemble);
    });
}
