//! notary-server and notary-signer on PostgreSQL, and docker-registry, as they were.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::peers::Postgres;
use crate::peers::certificates::Authority;
use crate::peers::old_tables::{PASSPHRASE, VARIABLE};
use crate::peers::process::{self, Process};

/// A running server and signer.
pub(super) struct OldStack {
    rest: Stopped,
    signer: Process,
    server: Process,
    port: u16,
    pub(super) authority: std::sync::Arc<Authority>,
    _folder: TempDir,
}

/// What is left of them: their databases.
pub(super) struct Stopped {
    postgres: Postgres,
    pub(super) authority: std::sync::Arc<Authority>,
}

/// Files of dumps.
pub(super) struct Dumps {
    pub(super) server: String,
    pub(super) signer: String,
}

impl OldStack {
    pub(super) fn start() -> Self {
        let postgres = Postgres::start();
        let authority = std::sync::Arc::new(Authority::new());
        let rest = Stopped { postgres, authority: authority.clone() };
        for (name, tables) in [("nserver", SERVER_TABLES), ("nsigner", SIGNER_TABLES)] {
            rest.postgres.create_database(name);
            for table in tables.split(';') {
                rest.postgres.run(name, table);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let files = authority.issue(folder.path(), "old");
        let tls = |server: &mut serde_json::Value| {
            server["tls_cert_file"] = json!(files.certificate);
            server["tls_key_file"] = json!(files.key);
        };
        let storage = |url: String| json!({"backend": "postgres", "db_url": url, "default_alias": "first_alias"});
        let mut config = json!({
            "server": {
                "grpc_addr": "127.0.0.1:0",
                "client_ca_file": authority.certificate_file(),
            },
            "storage": storage(format!("{}?sslmode=disable", rest.signer_database())),
        });
        tls(&mut config["server"]);
        fs::write(folder.path().join("signer.json"), config.to_string()).unwrap();
        let args = ["-config", "signer.json"];
        let mut signer =
            Process::start("notary-signer", &args, folder.path(), &[(VARIABLE, PASSPHRASE)]);
        let signer_port = signer.await_port();
        let mut config = json!({
            "server": {"http_addr": "127.0.0.1:0"},
            "trust_service": {
                "type": "remote",
                "hostname": "localhost",
                "port": signer_port.to_string(),
                "key_algorithm": "ecdsa",
                "tls_ca_file": authority.certificate_file(),
                "tls_client_cert": files.certificate,
                "tls_client_key": files.key,
            },
            "storage": storage(format!("{}?sslmode=disable", rest.server_database())),
        });
        tls(&mut config["server"]);
        fs::write(folder.path().join("server.json"), config.to_string()).unwrap();
        let args = ["-config", "server.json"];
        let mut server = Process::start("notary-server", &args, folder.path(), &[]);
        let port = server.await_port();
        Self { rest, signer, server, port, authority, _folder: folder }
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn server_database(&self) -> String {
        self.rest.server_database()
    }

    pub(super) fn signer_database(&self) -> String {
        self.rest.signer_database()
    }

    /// Dumps both databases, one as data to copy and one as statements.
    pub(super) fn dump(&self, folder: &Path) -> Dumps {
        let dump = |url: String, name: &str, more: &[&str]| {
            let file = folder.join(name).display().to_string();
            let mut command = Command::new("pg_dump");
            command.args(more).args(["-f", &file, &url]);
            process::run(&command, b"", Duration::from_mins(1)).success();
            file
        };
        Dumps {
            server: dump(self.rest.server_database(), "server.sql", &[]),
            signer: dump(self.rest.signer_database(), "signer.sql", &["--inserts"]),
        }
    }

    pub(super) fn stop(mut self) -> Stopped {
        self.server.stop();
        self.signer.stop();
        self.rest
    }
}

impl Stopped {
    pub(super) fn server_database(&self) -> String {
        format!("{}/nserver", self.postgres.address())
    }

    pub(super) fn signer_database(&self) -> String {
        format!("{}/nsigner", self.postgres.address())
    }

    pub(super) fn run(&self, database: &str, statement: &str) -> String {
        self.postgres.run(database, statement)
    }

    pub(super) fn copy_of_server(&self, name: &str) -> String {
        self.copy("nserver", name)
    }

    pub(super) fn copy_of_signer(&self, name: &str) -> String {
        self.copy("nsigner", name)
    }

    fn copy(&self, database: &str, name: &str) -> String {
        self.run("postgres", &format!("CREATE DATABASE {name} TEMPLATE {database}"));
        format!("{}/{name}", self.postgres.address())
    }
}

/// Writes the rows of both databases as `mysqldump --databases` does, into one file: bytes with
/// MySQL's escapes or as hexadecimal digits, many rows a statement, columns in the order of CREATE
/// TABLE. What the program itself writes is in `tests/data/notary-dumps`.
pub(super) fn mysqldump(folder: &Path, old: &Stopped) -> String {
    let mut text = String::from("-- MySQL dump 10.13  Distrib 8.0.39, for Linux (x86_64)\n");
    for (database, table, columns) in [
        ("nserver", "changefeed", "id created_at gun version sha256 category"),
        ("nserver", "tuf_files", "id created_at deleted_at gun role version data sha256"),
        (
            "nsigner",
            "private_keys",
            "key_id algorithm passphrase_alias public private gun role last_used",
        ),
    ] {
        let columns: Vec<&str> = columns.split(' ').collect();
        writeln!(text, "USE `{database}`;\nDROP TABLE IF EXISTS `{table}`;").unwrap();
        let made: Vec<String> = columns.iter().map(|name| format!("  `{name}` text")).collect();
        let made = made.join(",\n");
        writeln!(text, "CREATE TABLE `{table}` (\n{made},\n  KEY `x` (`gun`)\n) ENGINE=InnoDB;")
            .unwrap();
        let value = |name: &&str| match *name {
            "data" | "private" => {
                let mut value = format!("convert_from({name}, 'UTF8')");
                for sign in ["'\\'", "'\"'", "chr(39)"] {
                    value = format!("replace({value}, {sign}, '\\' || {sign})");
                }
                format!("'_binary ' || chr(39) || {value} || chr(39)")
            }
            "public" => "'0x' || upper(encode(public, 'hex'))".to_owned(),
            name => format!("coalesce(quote_literal(rtrim({name}::text)), 'NULL')"),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let values = values.join(" || ',' || ");
        let query = format!("SELECT '(' || {values} || ')' FROM {table} ORDER BY {}", columns[0]);
        let rows = old.run(database, &query);
        let rows = rows.lines().collect::<Vec<_>>().join(",\n");
        writeln!(text, "INSERT INTO `{table}` VALUES\n{rows};").unwrap();
    }
    text.push_str("-- Dump completed on 2026-11-30  2:45:55\n");
    let file = folder.join("mysql.sql");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// A running docker-registry, and its folder.
pub(super) struct OldRegistry {
    process: Process,
    port: u16,
    data: TempDir,
}

impl OldRegistry {
    pub(super) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:0'}}\n",
            data.path().display()
        );
        fs::write(folder.path().join("config.yml"), text).unwrap();
        let args = ["serve", "config.yml"];
        let mut process = Process::start("docker-registry", &args, folder.path(), &[]);
        let port = process.await_port();
        Self { process, port, data }
    }

    pub(super) fn host_port(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it; its folder stays.
    pub(super) fn stop(mut self) -> TempDir {
        self.process.stop();
        self.data
    }
}

/// Changes the bytes of the first blob that is no JSON; its hash is returned.
pub(super) fn damage_a_layer(blobs: &Path) -> String {
    for prefix in fs::read_dir(blobs).unwrap() {
        for blob in fs::read_dir(prefix.unwrap().path()).unwrap() {
            let folder = blob.unwrap().path();
            let data = folder.join("data");
            let mut bytes = fs::read(&data).unwrap();
            if bytes.starts_with(b"{") {
                continue;
            }
            bytes.push(0);
            fs::write(&data, bytes).unwrap();
            return folder.file_name().unwrap().to_str().unwrap().to_owned();
        }
    }
    panic!("no layer in {}", blobs.display());
}

/// What notary's migrations make, as far as it is used.
const SERVER_TABLES: &str = "\
    CREATE TABLE tuf_files (id serial PRIMARY KEY, created_at timestamp, updated_at timestamp, \
    deleted_at timestamp, gun varchar(255) NOT NULL, role varchar(255) NOT NULL, \
    version integer NOT NULL, data bytea NOT NULL, sha256 char(64), UNIQUE (gun, role, version)); \
    CREATE TABLE changefeed (id serial PRIMARY KEY, created_at timestamp DEFAULT now(), \
    gun varchar(255) NOT NULL, version integer NOT NULL, sha256 char(64), \
    category varchar(20) NOT NULL DEFAULT 'update')";
const SIGNER_TABLES: &str = "\
    CREATE TABLE private_keys (id serial PRIMARY KEY, created_at timestamp, updated_at timestamp, \
    deleted_at timestamp, key_id varchar(255) NOT NULL UNIQUE, \
    encryption_alg varchar(255) NOT NULL, keywrap_alg varchar(255) NOT NULL, \
    algorithm varchar(50) NOT NULL, passphrase_alias varchar(50) NOT NULL, public bytea NOT NULL, \
    private bytea NOT NULL, gun varchar(255) NOT NULL, role varchar(255) NOT NULL, \
    last_used timestamp)";
