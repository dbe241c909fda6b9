//! The changefeed (notary.md §3.7; server.md §7.2, row 43).

use serde_json::{Value, json};
use test_case::test_case;

use super::{GUN, World};
use crate::server::harness::{Answer, TestServer};

fn ids(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let records = body["records"].as_array().cloned().unwrap_or_default();
    assert_eq!(body["count"], records.len());
    records.iter().map(|record| record["ID"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn nothing_is_written_as_go_writes_it() {
    let server = TestServer::new();
    for path in ["/v2/_trust/changefeed", &format!("/v2/{GUN}/_trust/changefeed?records=10")] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.json()), (200, json!({"count": 0, "records": null})));
    }
}

#[test]
fn each_publication_and_each_deletion_is_a_change() {
    let mut world = World::published();
    let first = world.get("timestamp.json");
    world.publishes(&["targets"]);
    let path = format!("/v2/{GUN}/_trust/tuf/");
    assert_eq!(world.server.ask("DELETE", &path, &[], "").status, 200);
    let feed = world.feed();
    let hash = trust::crypto::Sha256Hash::of(&first.body).to_hex();
    assert_eq!(feed.len(), 3, "{feed:?}");
    let facts = |change: &Value| {
        assert_eq!(change["GUN"], GUN);
        assert!(change["CreatedAt"].as_str().unwrap().ends_with('Z'));
        (change["ID"].clone(), change["Category"].clone(), change["Version"].clone())
    };
    assert_eq!(facts(&feed[0]), (json!("1"), json!("update"), json!(1)));
    assert_eq!(feed[0]["SHA256"], hash);
    assert_eq!(facts(&feed[1]), (json!("2"), json!("update"), json!(2)));
    assert_eq!(facts(&feed[2]), (json!("3"), json!("deletion"), json!(0)));
    assert_eq!(feed[2]["SHA256"], "");
}

#[test]
fn pages() {
    let server = TestServer::new();
    for id in 1..=1200 {
        let gun = if id % 3 == 0 { "b" } else { "a" };
        server.sql(
            &format!(
                "INSERT INTO feed (id, gun, version, sha256, category, created_at) \
             VALUES ({id}, '{gun}', {id}, '', 'update', 0)"
            ),
            &[],
        );
    }
    let ask = |query: &str| ids(&server.get(&format!("/v2/_trust/changefeed{query}")));
    let range = |from: u32, to: u32| (from..=to).map(|id| id.to_string()).collect::<Vec<_>>();
    assert_eq!(ask(""), range(1, 100));
    assert_eq!(ask("?records="), range(1, 100));
    assert_eq!(ask("?records=0"), range(1, 100));
    assert_eq!(ask("?records=2"), range(1, 2));
    assert_eq!(ask("?records=2&change_id=0"), range(1, 2));
    assert_eq!(ask("?records=2&change_id=100"), range(101, 102));
    assert_eq!(ask("?records=2&change_id=1199"), range(1200, 1200));
    assert_eq!(ask("?records=2&change_id=1200"), [""; 0]);
    assert_eq!(ask("?records=2&change_id=9223372036854775807"), [""; 0]);
    // Backwards, and still the oldest first.
    assert_eq!(ask("?records=-2"), range(1199, 1200));
    assert_eq!(ask("?records=-2&change_id=0"), range(1199, 1200));
    assert_eq!(ask("?records=2&change_id=-1"), range(1199, 1200));
    assert_eq!(ask("?records=-2&change_id=-1"), range(1199, 1200));
    assert_eq!(ask("?records=-2&change_id=100"), range(98, 99));
    assert_eq!(ask("?records=-2&change_id=2"), range(1, 1));
    assert_eq!(ask("?records=2147483647"), range(1, 1000));
    assert_eq!(ask("?records=-2147483648"), range(201, 1200));
    // Of one collection.
    let of_b = ids(&server.get("/v2/b/_trust/changefeed?records=2&change_id=3"));
    assert_eq!(of_b, ["6", "9"]);
    let of_none = server.get("/v2/c/_trust/changefeed");
    assert_eq!(of_none.json(), json!({"count": 0, "records": null}));
}

#[test_case("records=abc", r#"invalid records parameter: strconv.ParseInt: parsing "abc": invalid syntax"#; "letters")]
#[test_case("records=100000000000", r#"invalid records parameter: strconv.ParseInt: parsing "100000000000": value out of range"#; "too many")]
#[test_case("records=1.5", r#"invalid records parameter: strconv.ParseInt: parsing "1.5": invalid syntax"#; "a fraction")]
#[test_case("change_id=abc", r#"invalid change_id parameter: strconv.ParseInt: parsing "abc": invalid syntax"#; "no number")]
#[test_case("change_id=99999999999999999999", r#"invalid change_id parameter: strconv.ParseInt: parsing "99999999999999999999": value out of range"#; "too large")]
#[test_case("records=1&change_id=%00", r#"invalid change_id parameter: strconv.ParseInt: parsing "\0": invalid syntax"#; "a zero byte")]
fn questions_that_are_none(query: &str, detail: &str) {
    let server = TestServer::new();
    for path in ["/v2/_trust/changefeed", "/v2/a/_trust/changefeed"] {
        let answer = server.get(&format!("{path}?{query}"));
        let told = (answer.status, answer.code());
        assert_eq!(told, (400, Some("INVALID_PARAMETERS".to_owned())), "{}", answer.text());
        let error = &answer.json()["errors"][0];
        assert_eq!(error["message"], "The parameters provided are not valid.");
        assert_eq!(error["detail"], detail);
        assert!(answer.body.len() < 1024);
    }
}
