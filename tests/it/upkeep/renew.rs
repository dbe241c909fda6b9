use super::old::*;
use crate::peers::{NotaryOptions, NotaryServer};
const GUN: &str = "registry.example.com/app";
fn experiment(name: &str, ends: Ends, wait: i64) {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    let owned = publish(&owner, &server, GUN, &ends);
    let reader = person(&server);
    is_readable_by_all(&reader, GUN);
    wait_past(owned.since, wait);
    println!("== {name}");
    println!("doctor {:?}", owner.trust(&["repo", "doctor", GUN]));
    println!("notary {:?}", owner.notary(&["list", GUN]));
    println!("renew {:?}", owner.trust(&["repo", "renew", GUN]));
    println!(
        "log {}",
        server
            .log()
            .lines()
            .filter(|l| l.contains("POST") || l.contains("rror"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    println!("fresh list {:?}", person(&server).notary(&["list", GUN]));
    println!("old list {:?}", reader.notary(&["list", GUN]));
    println!("old docker {:?}", reader.docker(&["trust", "inspect", GUN]));
    println!("old trust {:?}", reader.trust(&["verify", "--no-registry", &format!("{GUN}:1")]));
    println!("doctor {:?}", owner.trust(&["repo", "doctor", GUN, "--json"]));
}
#[test]
fn x_root() {
    experiment("root expired", Ends { root: 12, ..Ends::new() }, 12);
}
#[test]
fn x_cert() {
    experiment("cert expired", Ends { certificate: 12, ..Ends::new() }, 12);
}
#[test]
fn x_both() {
    experiment("both expired", Ends { certificate: 12, root: 12, ..Ends::new() }, 12);
}
#[test]
fn x_targets() {
    experiment(
        "targets and delegations expired",
        Ends { targets: 12, delegations: 12, ..Ends::new() },
        12,
    );
}
#[test]
fn x_near() {
    experiment(
        "near",
        Ends {
            root: 30 * DAY,
            certificate: 30 * DAY,
            targets: 30 * DAY,
            delegations: 30 * DAY,
            own_snapshot: true,
        },
        0,
    );
}
#[test]
fn x_snap() {
    experiment(
        "own snapshot expired",
        Ends { delegations: 12, own_snapshot: true, ..Ends::new() },
        12,
    );
}
