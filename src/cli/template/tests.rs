use serde::Serialize;
use test_case::test_case;

use super::*;

#[derive(Debug, Default, Serialize)]
struct Row {
    name: &'static str,
    gun: Option<&'static str>,
    key_ids: Vec<&'static str>,
    threshold: u32,
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Holder>,
}

#[derive(Debug, Default, Serialize)]
struct Holder {
    #[serde(skip_serializing_if = "str::is_empty")]
    role: &'static str,
}

fn sample() -> Row {
    Row { holder: Some(Holder { role: "x" }), ..Row::default() }
}

fn rows() -> [Row; 2] {
    let alice = Row { name: "alice", key_ids: vec!["11", "22"], threshold: 2, ..Row::default() };
    let bob = Row {
        name: "bob-the-builder",
        gun: Some("a<b>/c"),
        encrypted: true,
        holder: Some(Holder { role: "targets" }),
        ..Row::default()
    };
    [alice, bob]
}

fn shown(template: &str) -> String {
    Template::listing(template, &sample()).unwrap().render(&rows()).unwrap()
}

#[test_case("{{.Name}}", "alice\nbob-the-builder\n"; "a field")]
#[test_case("{{.Name}}\\t{{.Threshold}}", "alice\t2\nbob-the-builder\t0\n"; "an escaped tab")]
#[test_case("{{join .KeyIDs \",\"}}|{{len .KeyIDs}}", "11,22|2\n|0\n"; "a list")]
#[test_case("{{range $i, $id := .KeyIDs}}{{$i}}={{$id}} {{else}}none{{end}}", "0=11 1=22 \nnone\n"; "range")]
#[test_case("{{if .Encrypted}}yes{{else}}no{{end}}", "no\nyes\n"; "if")]
#[test_case("{{with .GUN}}[{{.}}]{{end}}", "\n[a<b>/c]\n"; "with what is null")]
#[test_case("{{with .Holder}}{{.Role}}{{else}}-{{end}}", "-\ntargets\n"; "with a record that is absent")]
#[test_case("{{if .Holder.Role}}{{.Holder.Role}}{{end}}", "\ntargets\n"; "through a record that is absent")]
#[test_case("{{json .KeyIDs}} {{json .GUN}}", "[\"11\",\"22\"] \"\"\n[] \"a<b>/c\"\n"; "json")]
#[test_case("{{upper .Name | printf \"%-8s|\"}}{{title .Name}}", "ALICE   |Alice\nBOB-THE-BUILDER|Bob-The-Builder\n"; "pipes")]
#[test_case("{{truncate .Name 3}}{{pad .Name 1 2}}|", "ali alice  |\nbob bob-the-builder  |\n"; "docker's own")]
#[test_case("{{println .Name}}{{range split .Name \"-\"}}{{.}};{{end}}", "alice\nalice;\nbob-the-builder\nbob;the;builder;\n"; "println and split")]
#[test_case("{{if eq .Threshold 2}}two{{end}}", "two\n\n"; "comparing numbers")]
fn templates_are_filled_in_as_go_does(template: &str, expected: &str) {
    assert_eq!(shown(template), expected);
}

#[test]
fn a_row_as_json_has_the_names_of_the_template() {
    let second = shown("{{json .}}");
    assert_eq!(
        second.lines().nth(1).unwrap(),
        r#"{"Encrypted":true,"GUN":"a<b>/c","Holder":{"Role":"targets"},"KeyIDs":[],"Name":"bob-the-builder","Threshold":0}"#
    );
}

#[test]
fn a_table_has_headings_and_columns_as_docker_has_them() {
    assert_eq!(
        shown("table {{.Name}}\\t{{.Threshold}}\\t{{join .KeyIDs \", \"}}"),
        "NAME              THRESHOLD   KEY IDS\n\
         alice             2           11, 22\n\
         bob-the-builder   0           \n"
    );
    assert_eq!(
        shown("table {{upper .Name}} {{json .KeyIDs}}\t{{.Holder.Role}}\t{{len .KeyIDs}}"),
        "NAME KEY IDS         ROLE         KEY IDS\n\
         ALICE [\"11\",\"22\"]    <no value>   2\n\
         BOB-THE-BUILDER []   targets      0\n"
    );
    let empty = Template::listing("table {{.Name}}\t{{.GUN}}", &sample()).unwrap();
    assert_eq!(empty.render(&[] as &[Row]).unwrap(), "NAME      GUN\n");
}

#[test_case("{{.Name}} {{.Nmae}}",
    "in the template of --format: there is no field Nmae\n  {{.Name}} {{.Nmae}}\n              ^^^^^"; "an unknown field")]
#[test_case("{{with .Holder}}{{.Rloe}}{{end}}",
    "in the template of --format: there is no field Rloe\n  {{with .Holder}}{{.Rloe}}{{end}}\n                    ^^^^^"; "an unknown field of a member")]
#[test_case("{{.Name",
    "in the template of --format: unclosed action\n  {{.Name\n         ^"; "not closed")]
#[test_case("é {{nofunc .Name}}",
    "in the template of --format: function nofunc not defined\n  é {{nofunc .Name}}\n      ^^^^^^"; "an unknown function")]
#[test_case("{{end}}",
    "in the template of --format: unexpected {{end}}\n  {{end}}\n       ^^"; "an end without beginning")]
#[test_case("{{if .Name}}x",
    "in the template of --format: unexpected EOF\n  {{if .Name}}x\n               ^"; "no end")]
fn a_mistake_is_pointed_at_before_anything_is_done(template: &str, expected: &str) {
    let error = Template::listing(template, &sample()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert_eq!(error.source.to_string(), expected);
}

#[test]
fn an_unknown_field_is_told_which_there_are() {
    let error = Template::listing("{{.Nmae}}", &sample()).unwrap_err();
    assert_eq!(
        error.hints,
        ["the fields of an entry are .Encrypted, .GUN, .Holder, .KeyIDs, .Name, .Threshold"]
    );
}

#[test_case("{{index .KeyIDs 5}}"; "an index that is not there")]
#[test_case("{{upper .Threshold}}"; "a number for a text")]
#[test_case("{{truncate .Name -1}}"; "a negative length")]
#[test_case("{{pad .Name 1}}"; "too few arguments")]
#[test_case("{{pad .Name 1 100000000000}}"; "endless padding")]
#[test_case("{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" .}}"; "endless recursion")]
#[test_case("{{join .Name \",\"}}"; "a text for a list")]
fn what_goes_wrong_with_a_row_is_a_usage_error(template: &str) {
    let error = Template::listing(template, &sample()).unwrap().render(&rows()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.source.to_string().contains('^'), "{error:?}");
}

#[test]
fn text_from_a_server_cannot_steer_the_terminal() {
    let row = Row { name: "a\x1b[31m\nb", ..Row::default() };
    let template = Template::listing("{{.Name}}", &sample()).unwrap();
    assert_eq!(template.render(&[row]).unwrap(), "a\\u{1b}[31m\nb\n");
}
