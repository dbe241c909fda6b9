//! `trust serve` as a program: what it prints, how it is reached, how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::peers::certificates::Authority;
use crate::peers::process::{self, Finished};
use crate::peers::{Dockerd, User};

const TIMEOUT: Duration = Duration::from_secs(100);

/// A server of the program that was just built.
struct Serving {
    child: Child,
    folder: TempDir,
    address: String,
}

impl Serving {
    /// Starts one on a free port.
    fn start(args: &[&str]) -> Self {
        Self::start_with(args, |_| ())
    }

    /// Starts one after its folder was prepared.
    fn start_with(args: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut child = Command::new("setpriv");
        child.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_trust"), "serve"]);
        child.args(["--ready-file", "ready"]).args(args).current_dir(folder.path());
        child.env_clear().env("PATH", process::search_path()).env("HOME", folder.path());
        let child = child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut server = Self { child, folder, address: String::new() };
        let deadline = Instant::now() + TIMEOUT;
        while server.address.is_empty() {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{}", server.log());
            std::thread::sleep(Duration::from_millis(10));
            let ready = fs::read_to_string(server.folder.path().join("ready"));
            ready.unwrap_or_default().trim().clone_into(&mut server.address);
        }
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join(".local/share/trust/server")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log has these words so many times.
    fn await_log(&self, words: &str, times: usize) {
        let deadline = Instant::now() + TIMEOUT;
        while self.log().matches(words).count() < times {
            assert!(Instant::now() < deadline, "`{words}` is not in the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    fn curl(&self, authority: &Path, args: &[&str], path: &str) -> Finished {
        let mut curl = Command::new("curl");
        curl.arg("-sS").arg("--cacert").arg(authority).args(args);
        curl.arg(format!("{}{path}", self.address));
        process::run(&curl, b"", TIMEOUT)
    }

    /// Ends it as an administrator does, and returns its exit code.
    fn end(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn alone_it_has_an_authority_of_its_own() {
    let mut server = Serving::start(&["--listen", "localhost:0"]);
    let authority = server.data().join("ca.crt");
    for version in ["--http1.1", "--http2"] {
        let answer = server.curl(&authority, &[version], "/v2/").success();
        assert_eq!(answer.stdout, "{}\n");
    }
    assert_eq!(server.curl(&authority, &[], "/readyz").success().stdout, "{}\n");
    let host = server.address.trim_start_matches("https://").to_owned();
    let log = server.log();
    for line in [
        format!("sudo cp {} /etc/docker/certs.d/{host}/ca.crt", authority.display()),
        format!("cp {} ~/.docker/tls/{host}/ca.crt", authority.display()),
        "export DOCKER_CONTENT_TRUST=1".to_owned(),
    ] {
        assert!(log.contains(&line), "{line}\n{log}");
    }
    // Nobody else's authority is believed, and old TLS is not spoken.
    let other = Authority::new();
    assert_eq!(server.curl(&other.certificate_file(), &[], "/v2/").code, 60);
    let mut old = Command::new("openssl");
    old.args(["s_client", "-connect", &host, "-tls1_1"]);
    assert_ne!(process::run(&old, b"", TIMEOUT).code, 0);
    assert_eq!(server.end(), Some(0), "{}", server.log());
}

#[test]
fn plain_http_to_tls_is_told_what_is_wrong() {
    let server = Serving::start(&["--listen", "localhost:0"]);
    let plain = server.address.replace("https://", "http://");
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", &format!("{plain}/v2/")]);
    let answer = process::run(&curl, b"", TIMEOUT).success().stdout;
    assert!(answer.starts_with("HTTP/1.0 400 ") && answer.contains("HTTPS server"), "{answer}");
}

#[test]
fn secrets_are_their_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Serving::start(&["--listen", "localhost:0"]);
    for name in ["master.key", "tls/ca.key", "tls/server.key", "trust.db"] {
        let mode = fs::metadata(server.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

#[test]
fn a_folder_and_a_port_have_one_server() {
    let server = Serving::start(&["--listen", "localhost:0"]);
    let user = User::new();
    let data = server.data().display().to_string();
    let second = user.trust(&["serve", "--listen", "localhost:0", "--data", &data]);
    let second = second.expect_code(13);
    assert!(second.stderr.contains("error: another server works in"), "{}", second.stderr);
    let host = server.address.trim_start_matches("https://");
    let third = user.trust(&["serve", "--listen", host]).expect_code(13);
    assert!(third.stderr.contains(&format!("error: cannot listen on {host}")), "{}", third.stderr);
}

#[test]
fn what_was_made_is_found_again() {
    let mut server = Serving::start(&["--listen", "localhost:0", "--data", "d"]);
    let folder = server.folder.path().to_owned();
    let files = || {
        ["master.key", "ca.crt", "tls/server.crt"]
            .map(|name| fs::read(folder.join("d").join(name)).unwrap())
    };
    let before = files();
    assert_eq!(server.end(), Some(0));
    let user = User::new();
    let data = folder.join("d").display().to_string();
    let args = ["serve", "--listen", "localhost:0", "--data", &data, "--check-config"];
    user.trust(&args).success();
    let mut command = Command::new("timeout");
    command
        .args(["--preserve-status", "-s", "TERM", "3", env!("CARGO_BIN_EXE_trust")])
        .args(&args[..5]);
    command.env("HOME", user.home());
    process::run(&command, b"", TIMEOUT).success();
    assert_eq!(files(), before);
}

#[test]
fn plain_http_stays_on_this_machine() {
    let user = User::new();
    let refused = user.trust(&["serve", "--http", "--listen", "0.0.0.0:0"]).expect_code(2);
    assert!(
        refused.stderr.contains("plain HTTP is served to this machine alone")
            && refused.stderr.contains("trust.plainhttp"),
        "{}",
        refused.stderr
    );
    let server = Serving::start(&["--http", "--listen", "127.0.0.1:0"]);
    assert!(server.address.starts_with("http://localhost:"), "{}", server.address);
    let mut curl = Command::new("curl");
    curl.args(["-sS", &format!("{}/v2/", server.address)]);
    assert_eq!(process::run(&curl, b"", TIMEOUT).success().stdout, "{}\n");
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_was_meant() {
    let user = User::new();
    let file = user.home().join("config.yml");
    fs::write(&file, "version: 0.1\nhttp:\n  tls:\n    certificte: x\n").unwrap();
    let file = file.display().to_string();
    let finished = user.trust(&["serve", "--check-config", &file]).expect_code(2);
    let expected = format!(
        "error: cannot use {file}\n\
         caused by: line 4, column 5: `http.tls.certificte` is not a key of the configuration\n\n\
         hint: did you mean `http.tls.certificate`?\n"
    );
    assert_eq!(finished.stderr, expected);
}

#[test]
fn variables_go_before_the_file_and_what_is_in_force_is_printed() {
    let mut user = User::new();
    let file = user.home().join("config.yml");
    fs::write(&file, "version: 0.1\nstorage: {filesystem: {rootdirectory: /x}}\n").unwrap();
    user.set("REGISTRY_CONFIGURATION_PATH", &file.display().to_string());
    user.set("REGISTRY_HTTP_ADDR", "localhost:7000");
    user.set("REGISTRY_HTTP_SECRET", "hidden");
    let printed = user.trust(&["serve", "--print-config"]).success();
    assert!(printed.stdout.contains("  addr: \"localhost:7000\"\n"), "{}", printed.stdout);
    assert!(printed.stdout.contains("rootdirectory: \"/x\"\n"), "{}", printed.stdout);
    assert!(!printed.stdout.contains("hidden"), "{}", printed.stdout);
}

/// The serial number of the certificate that a server shows.
fn shown(server: &Serving) -> String {
    let host = server.address.trim_start_matches("https://");
    let mut client = Command::new("sh");
    let script =
        format!("openssl s_client -connect {host} </dev/null | openssl x509 -noout -serial");
    client.args(["-c", &script]);
    process::run(&client, b"", TIMEOUT).success().stdout
}

#[test]
fn certificates_are_replaced_while_it_runs_and_broken_ones_are_not_taken() {
    let authority = Authority::new();
    let mut server = Serving::start_with(
        &["--listen", "localhost:0", "--tls-cert", "server.pem", "--tls-key", "server-key.pem"],
        |folder| drop(authority.issue(folder, "server")),
    );
    let folder = server.folder.path().to_owned();
    let first = shown(&server);
    authority.issue(&folder, "server");
    server.signal(Signal::HUP);
    server.await_log("the configuration was read again", 1);
    let second = shown(&server);
    assert_ne!(first, second);
    fs::write(folder.join("server.pem"), "no certificate").unwrap();
    server.signal(Signal::HUP);
    server.await_log("the certificate was not reloaded: it is as before", 1);
    server.await_log("the configuration was read again", 2);
    assert_eq!(shown(&server), second);
    let answer = server.curl(&authority.certificate_file(), &[], "/v2/").success();
    assert_eq!(answer.stdout, "{}\n");
    assert_eq!(server.end(), Some(0));
}

#[test]
fn the_level_of_the_log_follows_the_file() {
    let file = |level: &str| {
        format!(
            "version: 0.1\nlog: {{level: {level}}}\nhttp: {{addr: 'localhost:0'}}\ntrust: {{}}\n"
        )
    };
    let mut server = Serving::start_with(&["config.yml"], |folder| {
        fs::write(folder.join("config.yml"), file("error")).unwrap();
    });
    let authority = server.data().join("ca.crt");
    server.curl(&authority, &[], "/v2/").success();
    assert!(!server.log().contains("msg=answered"), "{}", server.log());
    let path = server.folder.path().join("config.yml");
    fs::write(&path, file("info")).unwrap();
    server.signal(Signal::HUP);
    server.await_log("the configuration was read again", 1);
    server.curl(&authority, &[], "/v2/").success();
    server.await_log("msg=answered", 1);
    fs::write(&path, "version: 0.1\nnonsense: 1\n").unwrap();
    server.signal(Signal::HUP);
    server.await_log("the configuration was not reloaded: it is as before", 1);
    server.curl(&authority, &[], "/v2/").success();
    assert_eq!(server.end(), Some(0));
}

#[test]
fn whoever_watches_has_a_listener_of_their_own() {
    let server = Serving::start_with(&["config.yml"], |folder| {
        let config = "version: 0.1\nhttp:\n  addr: localhost:0\n  debug:\n    addr: localhost:0\n    \
                      prometheus: {enabled: true, path: /numbers}\ntrust: {}\n";
        fs::write(folder.join("config.yml"), config).unwrap();
    });
    server.await_log("health and metrics are at an address", 1);
    let log = server.log();
    let line =
        log.lines().find(|line| line.contains("health and metrics are at an address")).unwrap();
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let get = |path: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/stdout", "-w", "%{http_code}"]);
        curl.arg(format!("http://{address}{path}"));
        process::run(&curl, b"", TIMEOUT).success().stdout
    };
    assert_eq!(get("/livez"), "{}\n200");
    assert_eq!(get("/debug/health"), "{}\n200");
    assert!(get("/numbers").contains("trust_connections_accepted_total"));
    assert!(get("/v2/").ends_with("404") && get("/metrics").ends_with("404"));
    let authority = server.data().join("ca.crt");
    let public = server.curl(&authority, &["-o", "/dev/null", "-w", "%{http_code}"], "/metrics");
    assert_eq!(public.success().stdout, "404");
}

#[test]
fn docker_signs_and_verifies_with_nothing_else_configured() {
    let server = Serving::start(&["--listen", "localhost:0"]);
    let host = server.address.trim_start_matches("https://").to_owned();
    let authority = server.data().join("ca.crt");
    let daemon = Dockerd::start();
    let mut user = User::new();
    user.use_docker(&daemon);
    // What the server says is to be pasted; the daemon trusts what is on this machine as it is.
    let folder = user.docker_config().join("tls").join(&host);
    fs::create_dir_all(&folder).unwrap();
    fs::copy(&authority, folder.join("ca.crt")).unwrap();
    let image = format!("{host}/team/app:v1");
    let context = user.home().join("context");
    fs::create_dir(&context).unwrap();
    fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n").unwrap();
    let context = context.display().to_string();
    user.docker(&["build", "-t", &image, &context]).success();
    user.set("DOCKER_CONTENT_TRUST", "1");
    let pushed = user.docker(&["push", &image]).success();
    assert!(pushed.stdout.contains("Successfully signed"), "{}", pushed.stdout);
    let seen = user.docker(&["trust", "inspect", "--pretty", &image]).success();
    assert!(
        seen.stdout.contains("v1") && seen.stdout.contains("Repository Key"),
        "{}",
        seen.stdout
    );
    let second = format!("{host}/team/app:v2");
    user.docker(&["tag", &image, &second]).success();
    user.docker(&["trust", "sign", &second]).success();
    user.docker(&["rmi", &image, &second]).success();
    let pulled = user.docker(&["pull", &second]).success();
    assert!(pulled.stdout.contains("sha256:"), "{}", pulled.stdout);
    let unsigned = user.docker(&["pull", &format!("{host}/team/app:v3")]);
    assert_ne!(unsigned.code, 0);
    let gun = format!("{host}/team/app");
    let authority = authority.display().to_string();
    let listed = user.notary(&["-s", &server.address, "--tlscacert", &authority, "list", &gun]);
    let listed = listed.success();
    assert!(listed.stdout.contains("v1") && listed.stdout.contains("v2"), "{}", listed.stdout);
    let verified = user.trust(&["verify", &image]).success();
    assert!(verified.stdout.contains("sha256:"), "{}", verified.stdout);
    assert!(!server.log().contains("level=error"), "{}", server.log());
}

#[test]
fn a_password_file_is_read_again_and_a_broken_one_is_not_taken() {
    let passwords = |name: &str| {
        let mut command = Command::new("htpasswd");
        command.args(["-BbnC", "5", name, "secret"]);
        process::run(&command, b"", TIMEOUT).success().stdout
    };
    let config = "version: 0.1\nhttp: {addr: 'localhost:0'}\nstorage: {filesystem: {rootdirectory: d}}\n\
                  auth: {htpasswd: {realm: x, path: passwords}}\n";
    let server = Serving::start_with(&["config.yml"], |folder| {
        fs::write(folder.join("config.yml"), config).unwrap();
        fs::write(folder.join("passwords"), passwords("ann")).unwrap();
    });
    let status = |name: &str| {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-u",
            &format!("{name}:secret"),
        ]);
        curl.arg(format!("{}/v2/", server.address));
        process::run(&curl, b"", TIMEOUT).success().stdout
    };
    assert_eq!((status("ann"), status("bob")), ("200".to_owned(), "401".to_owned()));
    let path = server.folder.path().join("passwords");
    fs::write(&path, passwords("bob")).unwrap();
    server.signal(Signal::HUP);
    server.await_log("the configuration was read again", 1);
    assert_eq!((status("ann"), status("bob")), ("401".to_owned(), "200".to_owned()));
    fs::write(&path, "not a password file").unwrap();
    server.signal(Signal::HUP);
    server.await_log("logins were not reloaded: they are as before", 1);
    assert_eq!((status("ann"), status("bob")), ("401".to_owned(), "200".to_owned()));
    assert!(!server.log().contains("secret"), "{}", server.log());
}
