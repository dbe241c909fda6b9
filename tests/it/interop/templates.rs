//! `--format`: what docker's own templates come to, and what ours come to on the same ground.

use crate::peers::User;

/// Templates without data of their own are filled in by docker for its one context, and by us for
/// the one key in the store.
#[test]
fn functions_give_what_dockers_give() {
    let user = User::new();
    user.trust(&["key", "generate", "alice"]).success();
    for template in [
        r#"{{upper "alice"}} {{lower "ABC"}} {{title "hello wide-world it's"}}"#,
        r#"{{pad "x" 2 3}}|{{pad "" 2 3}}|{{truncate "default" 3}}|{{truncate "ab" 30}}"#,
        r#"{{split "a,b,c" ","}} {{join (split "a,b,c" ",") "-"}} {{len (split "abc" "")}}"#,
        r#"{{json "<a&b> \"q\""}} {{json (split "a,b" ",")}} {{json 1}} {{json 1.5}} {{json true}}"#,
        r#"{{printf "%-10s|%5d|%05.2f|%q|%v|%x" "a" 42 3.14159 "a\"b" true "hi"}}"#,
        r#"{{range $i, $x := split "a b c" " "}}{{if $i}},{{end}}{{$i}}={{$x}}{{end}}"#,
        r#"{{range split "" "x"}}[{{.}}]{{else}}empty{{end}}"#,
        r#"{{with ""}}a{{else}}b{{end}}{{if and true (eq 1 1)}}c{{else if true}}d{{end}}"#,
        r#"{{index (split "a,b" ",") 1}} {{slice "abcdef" 1 3}} {{len "abc"}}"#,
        r#"{{eq "a" "b" "a"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1 2}}"#,
        r#"{{and 1 0}} {{or "" "x"}} {{not true}} {{print 1 2 "a" "b" 3}}"#,
        r#"{{println "x"}}{{- "y" -}}  z {{/* nothing */}}"#,
        r#"{{define "t"}}<{{.}}>{{end}}{{template "t" "x"}}{{$a := 1}}{{$a = 2}}{{$a}}"#,
        r#"{{html "<b>"}} {{js "it's"}} {{urlquery "a b&c"}} {{`raw`}} {{'a'}} {{0x1f}}"#,
        r#"{{range split "a b c" " "}}{{if eq . "b"}}{{continue}}{{end}}{{.}}{{end}}"#,
        r#"a\tb\n{{"x" | printf "%s-%s" "y"}}"#,
        r#"table {{"x" | upper}}\t{{pad "y" 1 1}}\tz"#,
    ] {
        let theirs = user.docker(&["context", "ls", "--format", template]).success();
        let ours = user.trust(&["key", "ls", "--format", template]).success();
        assert_eq!(ours.stdout, theirs.stdout, "{template}");
    }
}

#[test]
fn what_docker_refuses_is_refused_with_the_place() {
    let user = User::new();
    user.trust(&["key", "generate", "alice"]).success();
    for template in [
        "{{.Nope}}",
        "{{.Nope.Further}}",
        "{{.Role",
        "{{nofunc 1}}",
        "{{end}}",
        "{{if}}x{{end}}",
        "{{if true}}x",
        "{{range 5 6}}x{{end}}",
        "{{$x}}",
        "{{index (split \"a\" \",\") 5}}",
        "{{len 3}}",
        "{{upper 3}}",
        "{{join \"a\" \",\"}}",
        "{{truncate \"a\" \"x\"}}",
        "{{template \"nope\"}}",
        "{{lt \"a\" 1}}",
    ] {
        let theirs = user.docker(&["context", "ls", "--format", template]);
        assert_ne!(theirs.code, 0, "{template}");
        let ours = user.trust(&["key", "ls", "--format", template]).expect_code(2);
        assert_eq!(ours.stdout, "", "{template}");
        assert!(ours.stderr.starts_with("error: in the template of --format: "), "{ours:?}");
        assert!(ours.stderr.contains(&format!("\n  {template}\n")), "{ours:?}");
        assert!(ours.stderr.contains('^'), "{ours:?}");
    }
}

/// Headings, tabs and the word `table` alone, beside docker's listing of its one context.
#[test]
fn tables_look_as_dockers() {
    let mut user = User::new();
    user.set("DOCKER_HOST", "unix:///var/run/docker.sock");
    user.trust(&["key", "generate", "default"]).success();
    for (theirs, ours) in [
        ("table {{.Name}}\\t{{.Error}}|", "table {{.Role}}\\t{{.GUN}}|"),
        ("table {{.Name}}\t{{upper .Name}}\tx", "table {{.Role}}\t{{upper .Role}}\tx"),
        ("{{.Name}}\\t{{.Error}}", "{{.Role}}\\t{{.GUN}}"),
        ("table{{.Name}} {{.Name}}", "table{{.Role}} {{.Role}}"),
    ] {
        let theirs = user.docker(&["context", "ls", "--format", theirs]).success().stdout;
        let theirs = theirs.replace("NAME", "ROLE").replace("ERROR", "GUN");
        let ours = user.trust(&["key", "ls", "--format", ours]).success().stdout;
        assert_eq!(squeezed(&ours), squeezed(&theirs));
    }
    let plain = user.trust(&["key", "ls"]).success().stdout;
    assert_eq!(user.trust(&["key", "ls", "--format", "table"]).success().stdout, plain);
    let line = user.trust(&["key", "ls", "--format", "json"]).success().stdout;
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(row["Role"], "default");
    assert_eq!(row["GUN"], "");
    assert_eq!(row["Encrypted"], true);
    assert_eq!(user.trust(&["key", "ls", "--format", "{{json .}}"]).success().stdout, line);
    user.trust(&["key", "ls", "--format", "x", "--json"]).expect_code(2);
    let both = user.trust(&["key", "inspect", "default.pub", "--format", "{{.Type}} {{.Private}}"]);
    assert_eq!(both.success().stdout, "ecdsa false\n");
    let one_line = user.trust(&["key", "inspect", "default.pub", "--format", "json"]).success();
    let indented = user.trust(&["key", "inspect", "default.pub", "--json"]).success();
    assert_eq!(one_line.stdout.lines().count(), 1);
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&one_line.stdout), parse(&indented.stdout));
}

/// The spaces behind a heading differ where the heading is shorter than docker's.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn a_template_never_hides_that_there_is_no_trust() {
    let world = super::world::World::open();
    let user = world.user();
    world.push("1", "one");
    world.push("2", "two");
    user.trust(&["sign", "--signer", "alice", &world.name("1")]).success();
    let (signed, unsigned) = (world.name("1"), world.name("2"));
    let template = "{{.Trusted}} {{.Verdict.Digest}} {{range .Verdict.SignedBy}}{{.Role}} {{end}}";
    let verify = ["verify", &signed, &unsigned, "--format", template];
    let verified = user.trust(&verify).expect_code(3);
    let digest = world.served("1");
    assert_eq!(
        verified.stdout,
        format!("true {digest} targets/alice targets/releases \nfalse <no value> \n")
    );
    let verify = ["verify", &unsigned, "--format", "{{index .Causes 7}}"];
    let verified = user.trust(&verify).expect_code(3);
    assert!(verified.stderr.contains("in the template of --format"), "{verified:?}");
    let verify = ["verify", &unsigned, "--format", "{{.Verdict.Dgst}}"];
    user.trust(&verify).expect_code(2);

    let inspect = ["inspect", &world.repository(), "--format"];
    let template = "{{range .SignedTags}}{{.SignedTag}} {{.Digest}} {{join .Signers \",\"}}{{end}} \
                    {{range .Signers}}{{.Name}} {{len .Keys}}{{end}} \
                    {{range .AdministrativeKeys}}{{.Name}}={{len .Keys}} {{end}}";
    let inspected = user.trust(&[&inspect[..], &[template]].concat()).success();
    let hex = digest.trim_start_matches("sha256:");
    assert_eq!(inspected.stdout, format!("1 {hex} alice alice 1 Root=1 Repository=1 \n"));
    let compact = user.trust(&[&inspect[..], &["json"]].concat()).success().stdout;
    let docker = user.docker(&["trust", "inspect", &world.repository()]).success().stdout;
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(parse(&compact), parse(&docker));
    let signers = ["signer", "ls", &world.repository(), "--format", "{{.Name}} {{.Threshold}}"];
    assert_eq!(user.trust(&signers).success().stdout, "alice 1\n");
    user.trust(&["inspect", &signed, "--format", "{{range .SignedTags}}{{.Tag}}{{end}}"])
        .expect_code(2);
}
