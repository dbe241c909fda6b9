//! A takeover that is killed at any of its steps is begun again, and comes to the same as one that
//! nobody disturbed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::Connection as _;

use super::TRUST;
use crate::peers::old_tables::{Dump, KeyColumns, OldCollection, PASSPHRASE, VARIABLE};
use crate::peers::process::{self, Finished};

/// Steps between one kill and the next that is tried: they fall on every kind of statement.
const STRIDE: usize = 11;

fn import(folder: &Path, data: &str, kill_after: Option<usize>) -> Finished {
    let mut command = Command::new(TRUST);
    command.args(["server", "import-notary", "dump.sql", "--data", data]);
    command.current_dir(folder).env("HOME", folder).env(VARIABLE, PASSPHRASE);
    if let Some(steps) = kill_after {
        command.env("TRUST_TEST_KILL_AFTER", steps.to_string());
    }
    process::run(&command, b"", Duration::from_mins(2))
}

/// What is stored, without what differs each time: times, and keys sealed at random.
fn stored(data: &Path) -> Vec<String> {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", data.join("trust.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = sqlx::AnyConnection::connect(&url).await.unwrap();
        let mut rows = Vec::new();
        for query in [
            "SELECT c.gun || ' ' || f.role || ' ' || f.version || ' ' || f.sha256 FROM \
             trust_file f JOIN collection c ON c.id = f.collection",
            "SELECT c.gun || ' ' || f.role || ' ' || f.version FROM current_file f \
             JOIN collection c ON c.id = f.collection",
            "SELECT id || ' ' || gun || ' ' || version || ' ' || sha256 || category FROM feed",
            "SELECT gun || ' ' || role || ' ' || key_id || ' ' || state FROM server_key",
            "SELECT c.gun || ' ' || s.role || ' ' || COUNT(*) FROM signed_target s \
             JOIN collection c ON c.id = s.collection GROUP BY c.gun, s.role",
            "SELECT name || ' ' || value FROM counter WHERE name <> 'audit'",
        ] {
            let query = format!("{query} ORDER BY 1");
            let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            rows.extend(found);
        }
        connection.close().await.unwrap();
        rows
    })
}

#[test]
fn a_takeover_that_is_killed_is_begun_again_and_nothing_is_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut dump = Dump::new(fs::File::create(here.join("dump.sql")).unwrap(), KeyColumns::All);
    let [mut one, mut two, staged] = ["old/one", "old/two", "old/staged"].map(OldCollection::new);
    for (old, tag) in [(0, "1"), (1, "1"), (0, "2")] {
        let old = if old == 0 { &mut one } else { &mut two };
        dump.files(&old.sign(tag));
    }
    dump.changes_of(&OldCollection::new("old/gone").sign("1"));
    dump.deletion("old/gone");
    dump.keys(&one);
    dump.keys(&two);
    dump.key("old/staged", "timestamp", &staged.timestamp, false);
    dump.finish();
    import(here, "whole", None).success();
    let whole = stored(&here.join("whole"));
    assert!(whole.len() > 30, "{whole:#?}");

    let mut points = 0;
    for steps in (3..).step_by(STRIDE) {
        let data = format!("killed-{steps}");
        let killed = import(here, &data, Some(steps));
        if killed.code == 0 {
            break;
        }
        assert_eq!(killed.code, 128 + 9, "{killed:?}");
        points += 1;
        // The second time it may come no further, either.
        if points % 3 == 0 {
            import(here, &data, Some(steps / 2));
        }
        import(here, &data, None).success();
        assert_eq!(stored(&here.join(&data)), whole, "killed at step {steps}");
        if points % 4 == 0 {
            let mut check = Command::new(TRUST);
            check.args(["fsck", "--data", &data]).current_dir(here).env("HOME", here);
            process::run(&check, b"", Duration::from_mins(2)).success();
        }
        fs::remove_dir_all(here.join(&data)).unwrap();
    }
    assert!(points > 5, "{points}");
}
