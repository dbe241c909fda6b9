//! Backups of a server, restored into both kinds of database.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;

use tokio::runtime::Runtime;
use trust::clock::Timestamp;
use trust::crypto::{Passphrase, Sha256Hash};
use trust::oci::Digest;
use trust::server::files::FileError;
use trust::server::meta::dump::tables;
use trust::server::meta::{MetaError, MetaStore, Options};
use trust::server::upkeep::backup::{
    BackupError, Extras, SmallFile, backup, check, restore, small_files,
};
use trust::tuf::{Gun, RoleName};

use super::harness::{TestServer, new_postgres};

/// A server with something in every kind of column.
fn server() -> TestServer {
    let server = TestServer::new();
    let file = b"{\"signed\":{}}\xff\x00";
    let sha256 = Sha256Hash::of(file).to_hex();
    let manifest = b"{\"schemaVersion\":2}";
    let digest = Digest::sha256_of(manifest);
    server.sql("UPDATE counter SET value = 41 WHERE name = 'feed'", &[]);
    for statement in [
        "INSERT INTO collection (id, gun, seq, deleted_at) VALUES (7, 'localhost/app', 3, NULL)",
        "INSERT INTO collection (id, gun, seq, deleted_at) VALUES (9, 'localhost/ü \"''', 1, 9223372036854775807)",
        "INSERT INTO repository (id, name, seq, created_at) VALUES (3, 'app', 1, 1700000000000000)",
        "INSERT INTO current_file (collection, role, version, expires_at, made_here) VALUES (7, 'root', 1, 4000000000000000, 0)",
        "INSERT INTO upload (id, repository, size, algorithm, hash_state, state, started_at, \
         touched_at) VALUES ('u', 'app', 0, 'sha256', '', 'open', 0, 0)",
    ] {
        server.sql(statement, &[]);
    }
    server.sql(
        &format!(
            "INSERT INTO trust_file (collection, role, version, sha256, bytes, created_at) \
             VALUES (7, 'root', 1, '{sha256}', $1, 1700000000000000)"
        ),
        &[file],
    );
    server.sql(
        &format!(
            "INSERT INTO manifest (repository, digest, media_type, bytes, created_at, touched_at) \
             VALUES (3, '{digest}', 'application/json', $1, 0, 0)"
        ),
        &[manifest],
    );
    // Enough for several parts.
    for number in 0..40 {
        server.sql(
            &format!(
                "INSERT INTO server_key (gun, role, key_id, public, sealed, state, created_at) \
                 VALUES ('g', 'snapshot', 'k{number:02}', $1, $2, 'active', 0)"
            ),
            &[b"", &vec![number; 30_000]],
        );
    }
    server
}

/// All rows of a database, by table.
fn rows(runtime: &Runtime, database: &Options) -> BTreeMap<String, Vec<String>> {
    runtime.block_on(async {
        let meta = MetaStore::open_beside(database).await.unwrap();
        let mut reading = meta.read().await.unwrap();
        let mut all = BTreeMap::new();
        for table in tables() {
            let mut rows: Vec<String> = Vec::new();
            let take = async |lines: Vec<u8>, count: u64| {
                let text = String::from_utf8(lines).unwrap();
                assert_eq!(text.lines().count() as u64, count);
                rows.extend(text.lines().map(str::to_owned));
                Ok::<(), MetaError>(())
            };
            reading.dump(&table, take).await.unwrap();
            rows.sort();
            all.insert(table.name, rows);
        }
        drop(reading);
        meta.close().await;
        all
    })
}

fn passphrase() -> &'static Passphrase {
    static PASSPHRASE: LazyLock<Passphrase> =
        LazyLock::new(|| Passphrase::new("correct horse".to_owned()));
    &PASSPHRASE
}

fn now() -> Timestamp {
    "2026-11-29T10:20:30Z".parse().unwrap()
}

fn secret() -> SmallFile {
    SmallFile { path: "keys/master.key".to_owned(), bytes: b"secret\n".to_vec().into() }
}

/// A secret, and content of three pieces of the seal.
fn extras(server: &TestServer) -> Extras {
    let content = server.folder.path().join("content");
    fs::create_dir_all(content.join("objects/ab")).unwrap();
    fs::create_dir_all(content.join("uploads")).unwrap();
    fs::write(content.join("objects/ab/cd"), vec![5; 150_000]).unwrap();
    fs::write(content.join("uploads/half"), "half").unwrap();
    Extras { small: vec![secret()], content: Some(content) }
}

/// Backs up into `backup` in the server's folder.
fn backed_up(server: &TestServer) -> std::path::PathBuf {
    let path = server.folder.path().join("backup");
    let made = backup(&server.server.meta, now(), extras(server), passphrase(), &path);
    let made = server.runtime.block_on(made).unwrap();
    assert_eq!((made.rows["server_key"], made.rows["collection"]), (40, 2));
    path
}

#[test]
fn a_backup_goes_back_into_either_kind_of_database() {
    let server = server();
    let path = backed_up(&server);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read(&path).unwrap();
    assert!(!text.windows(13).any(|window| window == b"localhost/app"), "readable");
    let runtime = &server.runtime;
    let before = rows(runtime, &server.database());
    assert_eq!(before["counter"].len(), 2);
    let sqlite = tempfile::tempdir().unwrap();
    let postgres = new_postgres();
    for database in [Options::Sqlite(sqlite.path().join("trust.db")), postgres.0] {
        let folder = tempfile::tempdir().unwrap();
        let restored = restore(&database, &path, passphrase(), folder.path());
        let restored = runtime.block_on(restored).unwrap();
        assert_eq!(restored.made, now());
        assert_eq!(restored.files, ["keys/master.key"]);
        let key = folder.path().join("keys/master.key");
        assert_eq!(fs::read(&key).unwrap(), b"secret\n");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        let content = folder.path().join("content");
        assert_eq!(restored.content, 1);
        assert_eq!(fs::read(content.join("objects/ab/cd")).unwrap(), vec![5; 150_000]);
        assert!(!content.join("uploads").exists());
        assert_eq!(rows(runtime, &database), before, "{database:?}");
        // What is made from now on has numbers of its own.
        runtime.block_on(async {
            let meta = MetaStore::open(&database).await.unwrap();
            let mut writing = meta.write().await.unwrap();
            assert_eq!(writing.next_number("feed").await.unwrap(), 42);
            let gun = Gun::parse("localhost/new").unwrap();
            assert_eq!(writing.lock_collection(&gun).await.unwrap().id, 10);
            writing.commit().await.unwrap();
            let gun = Gun::parse("localhost/app").unwrap();
            let file = meta.read().await.unwrap().current_file(&gun, &RoleName::Root).await;
            assert_eq!(file.unwrap().unwrap().version, 1);
            meta.close().await;
        });
        // Into what is there already nothing goes.
        let folder = tempfile::tempdir().unwrap();
        let again = runtime.block_on(restore(&database, &path, passphrase(), folder.path()));
        assert!(matches!(again, Err(BackupError::NotEmpty { .. })), "{again:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn nothing_of_a_damaged_backup_is_restored() {
    let server = server();
    let path = backed_up(&server);
    let whole = fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = Options::Sqlite(folder.path().join("data/trust.db"));
    let target = folder.path().join("data");
    let altered = folder.path().join("altered");
    let attempt = |bytes: &[u8], passphrase: &Passphrase| {
        fs::write(&altered, bytes).unwrap();
        let done = restore(&database, &altered, passphrase, &target);
        let error = server.runtime.block_on(done).unwrap_err();
        assert!(!target.exists(), "{error:?}");
        error
    };
    let wrong = attempt(&whole, &Passphrase::new("wrong horse".to_owned()));
    assert_eq!(cause(&wrong), "wrong passphrase");
    for at in [300, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert_eq!(cause(&attempt(&changed, passphrase())), "it was altered or cut off");
    }
    for cut in [1, 17, whole.len() / 2] {
        let error = attempt(&whole[..whole.len() - cut], passphrase());
        assert_eq!(cause(&error), "it was altered or cut off");
    }
    let longer = attempt(&[&whole[..], b"x"].concat(), passphrase());
    assert_eq!(cause(&longer), "it was altered or cut off");
    assert_eq!(cause(&attempt(b"", passphrase())), "it is not an age file");
}

/// The innermost cause.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

#[test]
fn what_has_another_hash_than_the_database_says_is_not_restored() {
    let server = server();
    server.sql("UPDATE trust_file SET bytes = $1", &[b"other"]);
    let path = backed_up(&server);
    let error = server.runtime.block_on(check(&path, passphrase())).unwrap_err();
    assert_eq!(error.to_string(), "the backup holds a wrong trust file");
    server.sql("DELETE FROM trust_file", &[]);
    server.sql("UPDATE manifest SET bytes = $1", &[b"other"]);
    fs::remove_file(&path).unwrap();
    let path = backed_up(&server);
    let error = server.runtime.block_on(check(&path, passphrase())).unwrap_err();
    assert_eq!(error.to_string(), "the backup holds a wrong manifest");
}

#[test]
fn a_file_that_is_there_is_kept_and_stops_the_restore() {
    let server = server();
    let path = backed_up(&server);
    let again = backup(&server.server.meta, now(), Extras::default(), passphrase(), &path);
    let again = server.runtime.block_on(again);
    assert!(matches!(again, Err(BackupError::Files(FileError::Io { .. }))), "{again:?}");
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("keys/master.key");
    fs::create_dir(folder.path().join("keys")).unwrap();
    fs::write(&key, "mine").unwrap();
    let database = Options::Sqlite(folder.path().join("trust.db"));
    let refused = restore(&database, &path, passphrase(), folder.path());
    let refused = server.runtime.block_on(refused);
    assert!(matches!(refused, Err(BackupError::NotEmpty { .. })), "{refused:?}");
    assert_eq!(fs::read(&key).unwrap(), b"mine");
    let rows = rows(&server.runtime, &database);
    assert!(rows["collection"].is_empty() && rows["server_key"].is_empty());
}

#[test]
fn a_backup_is_of_one_instant() {
    let server = server();
    let path = server.folder.path().join("backup");
    let meta = server.server.meta.clone();
    server.runtime.block_on(async {
        let writer = tokio::spawn(async move {
            for _ in 0..100 {
                let mut writing = meta.write().await.unwrap();
                // Both or neither.
                writing.next_number("feed").await.unwrap();
                writing.next_number("audit").await.unwrap();
                writing.commit().await.unwrap();
            }
        });
        backup(&server.server.meta, now(), Extras::default(), passphrase(), &path).await.unwrap();
        writer.await.unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let database = Options::Sqlite(folder.path().join("trust.db"));
    server.runtime.block_on(restore(&database, &path, passphrase(), folder.path())).unwrap();
    let rows = rows(&server.runtime, &database);
    let value =
        |row: &String| row.split(',').nth(1).unwrap().trim_end_matches(']').parse().unwrap();
    let values: Vec<i64> = rows["counter"].iter().map(value).collect();
    // Sorted: audit, feed.
    assert_eq!(values[1] - values[0], 41, "{values:?}");
}

#[test]
fn small_files_are_all_but_database_content_and_what_is_temporary() {
    let folder = tempfile::tempdir().unwrap();
    for path in [
        "master.key",
        "tls/ca.key",
        "trust.db",
        "trust.db-wal",
        "content/sha256/x",
        "lock",
        ".trust-tmp-1",
        "tls/.trust-tmp-2",
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let files = small_files(folder.path()).unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["master.key", "tls/ca.key"]);
}

/// Runs the program with the passphrase `correct horse`.
fn run(arguments: &[&str]) -> Output {
    run_with(arguments, "correct horse")
}

fn run_with(arguments: &[&str], passphrase: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_trust"))
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("TRUST_BACKUP_PASSPHRASE", passphrase)
        .env("NEW_MASTER", "08".repeat(32))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_commands_back_up_check_and_restore() {
    let server = server();
    let database = match server.database() {
        Options::Sqlite(path) => path.display().to_string(),
        Options::Postgres(url) => url,
    };
    let data = server.folder.path().to_str().unwrap();
    fs::write(Path::new(data).join("master.key"), "07".repeat(32)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup");
    let file = file.to_str().unwrap();
    let arguments = [
        "server",
        "backup",
        "--data",
        data,
        "--database",
        &database,
        "--with-master-key",
        "-o",
        file,
    ];
    let made = run(&arguments);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    assert!(said(&made).contains("and 1 files to"), "{}", said(&made));
    let again = run(&arguments);
    assert_eq!(again.status.code(), Some(14), "{}", said(&again));
    let new = folder.path().join("new");
    let new = new.to_str().unwrap();
    let checked = run(&["server", "restore", file, "--data", new, "--check"]);
    assert!(said(&checked).contains("is whole"), "{}", said(&checked));
    assert!(!Path::new(new).exists());
    let wrong = run_with(&["server", "restore", file, "--data", new], "wrong horse");
    assert_eq!(wrong.status.code(), Some(11), "{}", said(&wrong));
    assert!(!Path::new(new).exists());
    let restored = run(&["server", "restore", file, "--data", new]);
    assert_eq!(restored.status.code(), Some(0), "{}", said(&restored));
    let restored = Options::Sqlite(Path::new(new).join("trust.db"));
    assert_eq!(rows(&server.runtime, &restored), rows(&server.runtime, &server.database()));
    assert_eq!(fs::read_to_string(Path::new(new).join("master.key")).unwrap(), "07".repeat(32));
    let twice = run(&["server", "restore", file, "--data", new]);
    assert_eq!(twice.status.code(), Some(14), "{}", said(&twice));
    let nothing = run(&["server", "backup", "--data", "nowhere", "-o", "x"]);
    assert_eq!(nothing.status.code(), Some(8), "{}", said(&nothing));
}

#[test]
fn a_new_master_key_is_taken_by_command() {
    let server = TestServer::new();
    let gun = Gun::parse("localhost/app").unwrap();
    let key = server.server.signer.create(&gun, &RoleName::Timestamp);
    let key = server.runtime.block_on(key).unwrap();
    server.sql(
        &format!(
            "INSERT INTO server_key (gun, role, key_id, public, sealed, state, created_at) \
             VALUES ('localhost/app', 'timestamp', '{}', $1, $2, 'active', 0)",
            key.public.id()
        ),
        &[key.public.public(), key.sealed.as_ref().unwrap()],
    );
    let database = match server.database() {
        Options::Sqlite(path) => path.display().to_string(),
        Options::Postgres(url) => url,
    };
    // On SQLite the server must not run meanwhile.
    server.runtime.block_on(server.server.meta.close());
    let data = server.folder.path();
    let old = data.join("old.key");
    fs::write(&old, "07".repeat(32)).unwrap();
    let rekey = |from: &Path, to: &str, more: &[&str]| {
        let (data, from) = (data.to_str().unwrap(), from.to_str().unwrap());
        let arguments = ["server", "rekey", "--data", data, "--database", &database];
        let keys = ["--master-key", from, "--new-master-key", to];
        run(&[&arguments[..], &keys[..], more].concat())
    };
    let exposed = rekey(&old, "env:NEW_MASTER", &[]);
    assert_eq!(exposed.status.code(), Some(11), "{}", said(&exposed));
    assert!(said(&exposed).contains("chmod 600"), "{}", said(&exposed));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
    let done = rekey(&old, "env:NEW_MASTER", &[]);
    assert!(said(&done).starts_with("Sealed 1 keys under the master key "), "{}", said(&done));
    let wrong = rekey(&old, data.join("new.key").to_str().unwrap(), &["--create"]);
    assert_eq!(wrong.status.code(), Some(11), "{}", said(&wrong));
    assert!(said(&wrong).contains("is sealed under the master key"), "{}", said(&wrong));
    let nowhere = rekey(&old, "env:NOT_SET", &[]);
    assert!(said(&nowhere).contains("NOT_SET"), "{}", said(&nowhere));
}
