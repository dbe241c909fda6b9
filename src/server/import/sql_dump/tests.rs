//! Dumps that the real programs wrote, and what could be wrong with others.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use test_case::test_case;

use super::*;
use crate::crypto::{Passphrase, PrivateKey, Sha256Hash, jwe};

const POSTGRES_SERVER: &[u8] =
    include_bytes!("../../../../tests/data/notary-dumps/postgres-server.sql");
const POSTGRES_SIGNER: &[u8] =
    include_bytes!("../../../../tests/data/notary-dumps/postgres-signer-inserts.sql");
const MYSQL_SERVER: &[u8] = include_bytes!("../../../../tests/data/notary-dumps/mysql-server.sql");
const MYSQL_SIGNER: &[u8] = include_bytes!("../../../../tests/data/notary-dumps/mysql-signer.sql");
const MYSQL_BOTH: &[u8] = include_bytes!("../../../../tests/data/notary-dumps/mysql-hex-both.sql");

fn rows(dump: &[u8]) -> Result<(Vec<Row>, Columns), DumpError> {
    let mut rows = Vec::new();
    let columns = read(dump, &mut |row| {
        rows.push(row);
        Ok::<(), DumpError>(())
    })?;
    Ok((rows, columns))
}

fn tables(columns: &Columns) -> Vec<Table> {
    let tables = Table::ALL.into_iter();
    tables.filter(|table| columns.iter().any(|(of, _)| of == table)).collect()
}

fn check_file(row: &Row) {
    let Row::File(file) = row else { panic!("{row:?}") };
    assert_eq!(file.sha256, Some(Sha256Hash::of(&file.data).to_hex()));
    assert!(file.data.starts_with(b"{\"signed\":"));
    assert!(file.created_at.is_some());
}

fn check_key(row: &Row) {
    let Row::Key(key) = row else { panic!("{row:?}") };
    assert_eq!(key.alias, "first_alias");
    let token = std::str::from_utf8(&key.private).unwrap();
    let secret = jwe::open(token, &Passphrase::new("secret-one".to_owned())).unwrap();
    let private = PrivateKey::from_sec1(&secret).unwrap();
    assert_eq!(private.id().as_str(), key.key_id);
    assert_eq!(private.public_key().public(), key.public);
}

#[test]
fn what_pg_dump_writes() {
    let (rows, columns) = rows(POSTGRES_SERVER).unwrap();
    assert_eq!(tables(&columns), [Table::Files, Table::Changes]);
    let (changes, files) = rows.split_at(6);
    let Row::Change(first) = &changes[0] else { panic!("{rows:?}") };
    assert_eq!((first.id, first.version, first.category.as_str()), (1, 1, "update"));
    assert_eq!(first.created_at.unwrap().to_string(), "2026-11-30T02:45:27.959422Z");
    let Row::Change(last) = &changes[5] else { panic!("{rows:?}") };
    assert_eq!((last.category.as_str(), last.sha256.as_str()), ("deletion", ""));
    assert_eq!(files.len(), 13);
    files.iter().for_each(check_file);
}

#[test]
fn what_pg_dump_writes_with_inserts() {
    let (rows, columns) = rows(POSTGRES_SIGNER).unwrap();
    assert_eq!(tables(&columns), [Table::Keys]);
    rows.iter().for_each(check_key);
    let used = rows.iter().map(|row| matches!(row, Row::Key(key) if key.was_used));
    assert_eq!(used.collect::<Vec<_>>(), [true, true, true, false]);
}

#[test]
fn what_mysqldump_writes() {
    let (server, _) = rows(MYSQL_SERVER).unwrap();
    assert_eq!(server.len(), 13);
    server[3..].iter().for_each(check_file);
    let (signer, columns) = rows(MYSQL_SIGNER).unwrap();
    assert_eq!(tables(&columns), [Table::Keys]);
    signer.iter().for_each(check_key);
    let (both, columns) = rows(MYSQL_BOTH).unwrap();
    assert_eq!(tables(&columns), Table::ALL);
    assert_eq!(both, [server, signer].concat());
}

#[test]
fn what_is_packed_with_gzip() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(MYSQL_BOTH).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(rows(&packed).unwrap(), rows(MYSQL_BOTH).unwrap());
    let cut = rows(&packed[..packed.len() - 9]);
    assert!(matches!(cut, Err(DumpError::Truncated { .. })), "{cut:?}");
}

#[test_case(POSTGRES_SERVER; "copy")]
#[test_case(POSTGRES_SIGNER; "inserts")]
#[test_case(MYSQL_SERVER; "mysql")]
fn a_dump_that_is_cut_off_is_told(dump: &[u8]) {
    let text = String::from_utf8_lossy(dump);
    // The last comment says that it is complete.
    let end = ["database dump complete", "Dump completed"];
    let end = end.iter().find_map(|words| text.find(words)).unwrap();
    for cut in (200..end).step_by(97) {
        let refused = rows(&dump[..cut]);
        assert!(matches!(refused, Err(DumpError::Truncated { .. })), "{cut}: {refused:?}");
    }
}

#[test_case(b"PGDMP\x01\x0e"; "custom")]
#[test_case(b"toc.dat\0\0\0"; "tar")]
#[test_case(b"\xff\xfe-\0-\0"; "utf 16")]
#[test_case(b"\x28\xb5\x2f\xfd\0"; "zstd")]
fn what_is_no_text_is_named(dump: &[u8]) {
    assert!(matches!(rows(dump), Err(DumpError::Packed { .. })));
}

const HEAD: &str = "-- PostgreSQL database dump\n";
const TAIL: &str = "\n-- PostgreSQL database dump complete\n";
const MY_HEAD: &str = "-- MySQL dump 10.13\n";
const MY_TAIL: &str = "\n-- Dump completed\n";

fn postgres(text: &str) -> Result<Vec<Row>, DumpError> {
    rows(format!("{HEAD}{text}{TAIL}").as_bytes()).map(|(rows, _)| rows)
}

fn mysql(text: &str) -> Result<Vec<Row>, DumpError> {
    rows(format!("{MY_HEAD}{text}{MY_TAIL}").as_bytes()).map(|(rows, _)| rows)
}

fn data(rows: &[Row]) -> Vec<&[u8]> {
    let data = rows.iter().map(|row| match row {
        Row::File(file) => file.data.as_slice(),
        row => panic!("{row:?}"),
    });
    data.collect()
}

#[test]
fn strings_of_mysql() {
    let rows = mysql(
        r#"
        CREATE TABLE `tuf_files` (`id` int, `gun` varchar(255) DEFAULT ',)', `role` text,
          `version` int, `data` longblob, PRIMARY KEY (`id`), UNIQUE KEY `gun` (`gun`,`role`));
        REPLACE INTO `tuf_files` VALUES (1,'a/b','root',-2,_binary '\'\"\\\0\n\r\t\Z\%;\b'),
          (2,"a/b", 'root', 3, '''');
        INSERT IGNORE INTO notaryserver.`tuf_files` (`data`,`version`,`role`,`gun`) VALUES
          (0x00fFAb, 4, 'root', 'x'), (x'00', 5, 'root', 'x') ON DUPLICATE KEY UPDATE id=1;
        "#
        .replace('"', "'")
        .as_str(),
    )
    .unwrap();
    let expected: [&[u8]; 4] = [b"'\"\\\0\n\r\t\x1a%;\x08", b"'", b"\x00\xff\xab", b"\x00"];
    let expected = expected.map(|bytes| {
        if bytes.len() == 11 {
            bytes.iter().map(|b| if *b == b'"' { b'\'' } else { *b }).collect()
        } else {
            bytes.to_vec()
        }
    });
    assert_eq!(data(&rows), expected);
    let Row::File(first) = &rows[0] else { panic!("{rows:?}") };
    assert_eq!((first.gun.as_str(), first.version), ("a/b", -2));
}

#[test]
fn strings_of_postgres() {
    let rows = postgres(
        r"
        SET standard_conforming_strings = on;
        INSERT INTO public.tuf_files (gun, role, version, data) VALUES
          ('it''s\n', 'root', 1, '\x00fF'), ('a', 'root', 2, 'a\\b\000\377'),
          ('a', 'root', 3, E'\\x41');
        COPY public.tuf_files (gun, role, version, data, deleted_at, sha256) FROM stdin;
a\\b\tc\011d\x41	root	4	\\x	\N	ff        
a	root	5	\\x00	2020-01-01 00:00:00	\N
\.
        ",
    )
    .unwrap();
    let expected: [&[u8]; 4] = [b"\x00\xff", b"a\\b\x00\xff", b"A", b""];
    assert_eq!(data(&rows), expected);
    let Row::File(last) = &rows[3] else { panic!("{rows:?}") };
    assert_eq!((last.gun.as_str(), last.sha256.as_deref()), ("a\\b\tc\td\x41", Some("ff")));
    let Row::File(first) = &rows[0] else { panic!("{rows:?}") };
    assert_eq!(first.gun, "it's\\n");
}

#[test]
fn all_else_is_passed_over() {
    let rows = postgres(
        r"
        \restrict abc
        \connect notaryserver
        CREATE FUNCTION public.f() RETURNS text AS $_$ BEGIN; INSERT INTO tuf_files; $$; '$_$;
        ALTER TABLE public.tuf_files OWNER TO x; -- ; '
        COMMENT ON TABLE x IS 'a ; '' \';
        SELECT $1 /* ; ' */;
        COPY public.other (a) FROM stdin;
INSERT INTO tuf_files VALUES
\.
        CREATE TABLE public.tuf_files (gun character varying(255) DEFAULT 'a,b' CHECK (gun > ''),
          CONSTRAINT x UNIQUE (gun), role text, version integer, data bytea);
        INSERT INTO public.tuf_files VALUES ('a', 'root', 1, '\x');
        ",
    )
    .unwrap();
    assert_eq!(rows.len(), 1);
    let rows = mysql(
        r"
        /*!50003 SET x = ' */;
        DELIMITER ;;
        CREATE TRIGGER t BEGIN INSERT INTO `tuf_files` VALUES (';; \'', `a;;`); END ;;
        DELIMITER ;
        # a line '
        INSERT INTO `other` VALUES ('\'; INSERT INTO `tuf_files`');
        CREATE TABLE IF NOT EXISTS `tuf_files` (`gun` int, `role` int, `version` int, `data` int);
        ",
    )
    .unwrap();
    assert_eq!(rows, []);
}

#[test]
fn what_notary_never_stored_is_named() {
    let insert = |values: &str| {
        postgres(&format!(
            "INSERT INTO tuf_files (gun, role, version, data, created_at) VALUES ({values});"
        ))
    };
    for (values, column) in [
        ("NULL, 'root', 1, '', NULL", "gun"),
        ("'a', 'root', 'one', '', NULL", "version"),
        ("'a', 'root', 1, '\\x0', NULL", "data"),
        ("'a', 'root', 1, '\\9', NULL", "data"),
        ("'a', 'root', 1, NULL, NULL", "data"),
        ("'a', 'root', 1, '', 'yesterday'", "created_at"),
    ] {
        let refused = insert(values);
        assert!(
            matches!(&refused, Err(DumpError::Value { column: found, line: 2, .. }) if *found == column),
            "{values}: {refused:?}"
        );
    }
    for values in ["'a', 'root', 1, ''", "'a', 'root', 1, '', NULL, NULL"] {
        let refused = insert(values);
        assert!(matches!(refused, Err(DumpError::Malformed { .. })), "{values}: {refused:?}");
    }
}

#[test]
fn tables_that_are_not_understood() {
    let refused = postgres("INSERT INTO tuf_files VALUES ('a');");
    assert!(matches!(refused, Err(DumpError::NoColumns { table: Table::Files, .. })));
    let refused = postgres("COPY private_keys (key_id) FROM stdin;\n\\.\n");
    assert!(matches!(refused, Err(DumpError::MissingColumn { column: "algorithm", .. })));
    let table = "CREATE TABLE tuf_files (gun text, role text, version integer, data bytea);";
    let refused = postgres(&format!("{table}\n{table}"));
    assert!(matches!(refused, Err(DumpError::TwoDatabases { .. })));
    let refused = mysql(&format!("USE `one`;\n{table}\nUSE `two`;\n{table}"));
    assert!(matches!(refused, Err(DumpError::TwoDatabases { .. })));
    assert!(matches!(postgres(""), Err(DumpError::NoTable)));
    assert!(matches!(rows(b"hello;\n"), Err(DumpError::Malformed { .. })));
    let refused = postgres("SET standard_conforming_strings = off;");
    assert!(matches!(refused, Err(DumpError::Malformed { .. })));
    let refused = postgres("\\! rm -rf x\n");
    assert!(matches!(refused, Err(DumpError::Malformed { .. })));
}

#[test]
fn a_name_has_an_end() {
    let long = "a".repeat(2000);
    for text in
        [format!("INSERT INTO {long}"), format!("INSERT INTO `{long}"), format!("SELECT ${long}")]
    {
        let refused = rows(format!("{HEAD}{text}").as_bytes());
        assert!(matches!(refused, Err(DumpError::Malformed { .. })), "{refused:?}");
    }
}
