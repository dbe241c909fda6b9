//! Ctrl-C at every request and at many instants: nothing is half done.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use test_case::test_case;

use crate::harness::Signer;
use crate::harness::proxy::{Held, Moment, Proxy};
use crate::harness::server::PATIENCE;

#[test_case(Moment::Before)]
#[test_case(Moment::After)]
fn at_every_request_of_a_first_signature(moment: Moment) {
    let proxy = Proxy::start();
    let mut signer = Signer::new(&proxy.url());
    let mut interruptions = 0;
    loop {
        let image = signer.push(&format!("new{interruptions}"), "1");
        let held = proxy.hold(interruptions, moment);
        if !interrupt(&signer, &image, &held) {
            break;
        }
        proxy.pass();
        signer.recovers(&image);
        signer.become_another();
        interruptions += 1;
    }
    // Is it there? Whose keys sign time and snapshot? Here it is.
    assert!(interruptions >= 4, "only {interruptions} requests");
}

#[test_case(Moment::Before)]
#[test_case(Moment::After)]
fn at_every_request_of_a_further_signature(moment: Moment) {
    let proxy = Proxy::start();
    let signer = Signer::new(&proxy.url());
    signer.user.trust(&["sign", "--quiet", &signer.push("app", "first")]).success();
    let mut interruptions = 0;
    loop {
        let image = signer.push("app", &interruptions.to_string());
        let held = proxy.hold(interruptions, moment);
        if !interrupt(&signer, &image, &held) {
            break;
        }
        proxy.pass();
        signer.recovers(&image);
        interruptions += 1;
    }
    assert!(interruptions >= 2, "only {interruptions} requests");
    signer.user.trust(&["verify", &signer.push("app", "first")]).success();
}

#[test]
fn at_many_instants_of_a_first_signature() {
    let proxy = Proxy::start();
    let mut signer = Signer::new(&proxy.url());
    for step in 0..12 {
        let image = signer.push(&format!("app{step}"), "1");
        let mut child = start(&signer, &image);
        thread::sleep(Duration::from_millis(step * 30));
        send_interrupt(&child);
        let status = await_end(&mut child);
        assert!(status.success() || is_interrupted(status), "{status} at step {step}");
        signer.recovers(&image);
        signer.become_another();
    }
}

/// Signs, and interrupts that when the request is there; false when it never came.
fn interrupt(signer: &Signer, image: &str, held: &Held) -> bool {
    let mut child = start(signer, image);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match held.reached.recv_timeout(Duration::from_millis(10)) {
            Ok(()) => break,
            Err(RecvTimeoutError::Disconnected) => panic!("the proxy is gone"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        assert!(Instant::now() < deadline, "neither a request nor an end");
    }
    send_interrupt(&child);
    let status = await_end(&mut child);
    assert_eq!(status.code(), Some(130), "{status}");
    true
}

fn start(signer: &Signer, image: &str) -> Child {
    let mut command = signer.command(&["--no-prompt", "sign", image]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn send_interrupt(child: &Child) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
}

fn await_end(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("it does not end");
}

/// Before the program takes the signal, the system ends it: a shell sees 130 either way.
fn is_interrupted(status: ExitStatus) -> bool {
    status.code() == Some(130) || status.signal() == Some(2)
}
