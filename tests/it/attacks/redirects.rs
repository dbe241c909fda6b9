//! A server that sends us elsewhere: logins stay, and TLS is not left.

use std::sync::{Arc, Mutex};

use test_case::test_case;
use trust::actions::update::RefreshError;
use trust::client::{NotaryError, TransportError};

use super::assert_matches;
use crate::harness::server::Request;
use crate::harness::{Reply, Server, Victim};

/// A server that answers everything with this, and what it was asked.
fn another(body: Vec<u8>) -> (Server, Arc<Mutex<Vec<Request>>>) {
    let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
    let notes = Arc::clone(&seen);
    let server = Server::start(move |request| {
        notes.lock().unwrap().push(request.clone());
        Reply::file(body.clone())
    });
    (server, seen)
}

/// Somebody who is logged in to a server that demands it.
fn logged_in() -> Victim {
    let mut victim = Victim::primed();
    victim.replies.demand_login("alice", "secret");
    let host = victim.server().host_port();
    victim.user_mut().log_in(&host, "alice", "secret");
    victim
}

#[test]
fn a_login_is_needed_for_what_follows() {
    let victim = logged_in();
    victim.verify_by_program().success();
    let stranger = Victim::primed();
    stranger.replies.demand_login("alice", "secret");
    stranger.fails(9);
}

#[test_case(301)]
#[test_case(302)]
#[test_case(303)]
#[test_case(307)]
#[test_case(308)]
fn a_login_does_not_travel_to_another_host(status: u16) {
    let victim = logged_in();
    let (other, seen) = another(victim.repository.raw("timestamp"));
    let there = format!("{}/elsewhere", other.url());
    victim.answer("timestamp", &Reply::status(status, "").with("Location", &there));
    // What is signed is as good from there.
    victim.verify_by_program().success();
    victim.refresh().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    for request in &*seen {
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("cookie"), None);
    }
}

#[test_case(301)]
#[test_case(302)]
#[test_case(303)]
#[test_case(307)]
#[test_case(308)]
fn tls_is_not_left(status: u16) {
    let victim = logged_in();
    let (other, seen) = another(victim.repository.raw("timestamp"));
    let plain = other.url().replace("https://", "http://");
    victim.answer("timestamp", &Reply::status(status, "").with("Location", &plain));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::Redirect {
            problem: "it leaves TLS",
            ..
        }))
    );
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn circles_have_an_end() {
    let victim = Victim::primed();
    let here = format!("/v2/{}/_trust/tuf/timestamp.json", victim.repository.gun());
    victim.answer("timestamp", &Reply::status(302, "").with("Location", &here));
    assert_matches!(
        victim.fails(10),
        RefreshError::Server(NotaryError::Transport(TransportError::Redirect { .. }))
    );
    assert!(victim.server().log().len() < 40);
}

#[test_case(301)]
#[test_case(302)]
#[test_case(303)]
#[test_case(307)]
#[test_case(308)]
fn a_publication_is_not_taken_elsewhere(status: u16) {
    let victim = logged_in();
    victim.hold_keys_of("targets");
    let (other, seen) = another(Vec::new());
    let there = format!("{}/elsewhere", other.url());
    victim.replies.set("", Reply::status(status, "").with("Location", &there));
    let finished = victim.user().trust(&["revoke", &victim.image()]);
    assert_eq!(finished.code, 10, "{finished:?}");
    assert!(seen.lock().unwrap().is_empty());
}
