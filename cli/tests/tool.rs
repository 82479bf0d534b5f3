//! The tool as its users see it: output, files, exit status.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MODULE: &str = r#"(module $app
    (import "h" "log" (func $log (param i32)))
    (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
    (func $same (export "same") (param externref) (result externref) (local.get 0))
    (func (export "log") (call $log (i32.const 1)))
    (func (export "twice") (param externref) (result externref externref)
        (call $same (local.get 0)) (call $same (local.get 0)))
    (func (export "run") (loop $forever (br $forever))))"#;

/// The tool in an empty folder of the test's own.
struct Tool {
    folder: PathBuf,
}

impl Tool {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let tool = Self { folder };
        tool.write("app.wat", MODULE.as_bytes());
        tool
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).unwrap()
    }

    fn path(&self) -> &Path {
        &self.folder
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kernref"));
        command.args(args).current_dir(self.path()).output().unwrap()
    }

    /// Standard output of what succeeds.
    #[track_caller]
    fn good(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit status and standard error of what does not.
    #[track_caller]
    fn bad(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        assert!(!output.status.success(), "{args:?}: {output:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn what_is_compiled_and_signed_runs() {
    let tool = Tool::new("what_is_compiled_and_signed_runs");
    let keys = tool.good(&["keygen", "key.pem"]);
    assert!(keys.contains("public key: key.pub.pem"), "{keys}");
    let said = tool.good(&["compile", "app.wat", "--sign", "key.pem"]);
    assert!(said.contains("app.kna: ") && said.contains("signed with"), "{said}");
    let key = &["run", "app.kna", "--key", "key.pub.pem", "--invoke"][..];
    let call = |args: &[&str]| tool.run(&[key, args].concat());
    let said = |args: &[&str]| String::from_utf8(call(args).stdout).unwrap();
    assert_eq!(said(&["div", "--", "-7", "2"]), "-3\n");
    assert_eq!(said(&["same", "text:hello"]), "text:hello\n");
    assert_eq!(said(&["twice", "null"]), "null\nnull\n");
    let trapped = call(&["div", "1", "0"]);
    assert_eq!(trapped.status.code(), Some(1));
    assert!(String::from_utf8(trapped.stderr).unwrap().contains("integer divide by zero"));
    assert_eq!(call(&["log"]).status.code(), Some(2), "nothing is imported");
    assert_eq!(call(&["div", "1"]).status.code(), Some(2));
    assert_eq!(call(&["div", "1", "4294967296"]).status.code(), Some(2));
    assert_eq!(call(&["nothing"]).status.code(), Some(2));
}

#[test]
fn what_is_not_trusted_does_not_run() {
    let tool = Tool::new("what_is_not_trusted_does_not_run");
    tool.good(&["keygen", "key.pem"]);
    tool.good(&["keygen", "other.pem"]);
    assert_eq!(tool.bad(&["keygen", "key.pem"]).0, 2, "a key is not overwritten");
    tool.good(&["compile", "app.wat", "-o", "signed.kna", "--sign", "key.pem", "--quiet"]);
    tool.good(&["compile", "app.wat", "-o", "unsigned.kna", "--quiet"]);
    let refused = |args: &[&str], reason: &str| {
        let (status, said) = tool.bad(&[&["run", "--invoke", "div"], args, &["6", "3"]].concat());
        assert_eq!(status, 2);
        assert!(said.contains(reason), "{said}");
    };
    refused(&["signed.kna"], "needs --key KEY");
    refused(&["--key", "other.pub.pem", "signed.kna"], "a key that is not trusted");
    refused(&["--key", "key.pub.pem", "unsigned.kna"], "no signature");
    // What is not trusted is not read, neither what it says about itself nor its parts.
    let signed = tool.read("signed.kna");
    for at in [signed.len() / 4, signed.len() / 2] {
        let mut changed = signed.clone();
        changed[at..at + 64].fill(0xff);
        tool.write("changed.kna", &changed);
        let timeout = ["--timeout", "1", "changed.kna"];
        refused(&[&["--key", "other.pub.pem"], &timeout[..]].concat(), "a key that is not trusted");
        let reason = "the signature does not match";
        refused(&[&["--key", "key.pub.pem"], &timeout[..]].concat(), reason);
    }
    let mut changed = tool.read("signed.kna");
    let last = changed.len() - 1;
    changed[last] ^= 1;
    tool.write("signed.kna", &changed);
    refused(&["--key", "key.pub.pem", "signed.kna"], "the signature does not match");
    let blind = &["run", "--invoke", "div", "--unsigned", "unsigned.kna", "6", "3"];
    assert_eq!(tool.good(blind), "2\n");
}

#[test]
fn switches_are_part_of_the_artifact() {
    let tool = Tool::new("switches_are_part_of_the_artifact");
    let switches = ["--epochs", "--fuel", "--policy", "clone-on-read", "--baseline"];
    tool.good(&[&["compile", "app.wat", "-o", "app.kna"], &switches[..]].concat());
    let shown = tool.good(&["inspect", "app.kna"]);
    assert!(
        shown.contains("settings: policy clone-on-read, epochs, fuel, speculation guards\n"),
        "{shown}"
    );
    let (status, said) = tool.bad(&["run", "--unsigned", "--timeout", "1", "app.kna"]);
    assert_eq!(status, 1);
    assert!(said.contains("interrupt"), "{said}");
    tool.good(&["compile", "app.wat", "-o", "plain.kna"]);
    let (status, said) = tool.bad(&["run", "--unsigned", "--timeout", "1", "plain.kna"]);
    assert_eq!(status, 2);
    assert!(said.contains("without epochs"), "{said}");
}

#[test]
fn it_shows_what_is_inside() {
    let tool = Tool::new("it_shows_what_is_inside");
    tool.good(&["compile", "app.wat"]);
    let text = tool.good(&["inspect", "app.kna", "--maps"]);
    for part in ["module app\n", "h::log (func (param i32))", "same = 2 (func", "stack maps"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = tool.good(&["inspect", "app.kna", "--maps", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["bytes"], tool.read("app.kna").len());
    assert_eq!(report["module"], "app");
    assert_eq!(report["functions"].as_array().unwrap().len(), 5);
    assert_eq!(report["functions"][3]["name"], "twice");
    assert_eq!(report["functions"][3]["calls"], 2);
    let maps = report["stack_maps"].as_array().unwrap();
    let holds = |map: &&serde_json::Value| map["function"] == 4 && map["references"][0].is_u64();
    assert!(maps.iter().any(|map| holds(&map)), "{maps:?}");
    let listing = tool.good(&["disassemble", "app.kna", "--function", "twice"]);
    assert!(listing.contains("function 4 twice") && listing.contains("references ["), "{listing}");
    let all = tool.good(&["disassemble", "app.kna", "--bytes"]);
    for part in ["entry shim of type", "exit stub of type", "raise thunk", "integer divide by zero"]
    {
        assert!(all.contains(part), "{part}: {all}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let tool = Tool::new("what_is_wrong_is_said");
    let other = if cfg!(target_arch = "x86_64") { "aarch64" } else { "x86_64" };
    let (status, said) = tool.bad(&["compile", "app.wat", "--target", other]);
    assert_eq!(status, 2);
    assert!(said.contains("not supported yet"), "{said}");
    tool.write("bad.wasm", b"\0asm\x01\0\0\0\x01");
    assert!(tool.bad(&["compile", "bad.wasm"]).1.contains("malformed module"));
    assert!(tool.bad(&["inspect", "app.wat"]).1.contains("not an artifact"));
    assert!(tool.bad(&["inspect", "missing.kna"]).1.contains("missing.kna"));
    tool.good(&["compile", "app.wat"]);
    let bytes = tool.read("app.kna");
    tool.write("short.kna", &bytes[..bytes.len() / 2]);
    assert!(tool.bad(&["inspect", "short.kna"]).1.contains("artifact refused: header: "));
    assert!(tool.bad(&["disassemble", "app.kna", "--function", "nope"]).1.contains("`nope`"));
    assert!(tool.bad(&["run", "app.wat", "--timeout", "1"]).1.contains("--epochs"));
}

#[test]
fn what_a_guest_chose_is_escaped() {
    let tool = Tool::new("what_a_guest_chose_is_escaped");
    let acts = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    tool.write("bad.wat", b"(module (func \x1b]0;pwn\x07 \xc2\x9b31m\n))");
    tool.write("bad.wast", "(module (func \u{1b}]0;pwn))".as_bytes());
    let script = "(module) (assert_return (invoke \"\\1b[31m\\u{202e}\"))";
    tool.write("failing.wast", script.as_bytes());
    for command in ["compile", "run", "inspect"] {
        let said = tool.bad(&[command, "bad.wat"]).1;
        assert!(!acts(&said) && said.contains("\\u{1b}]0;pwn") && said.contains('\n'), "{said:?}");
    }
    assert!(!acts(&tool.bad(&["wast", "bad.wast"]).1));
    let said = String::from_utf8(tool.run(&["wast", "failing.wast"]).stdout).unwrap();
    assert!(!acts(&said) && said.contains("1 failed"), "{said:?}");
    let name = "a\u{1b}[31m\u{9b}1m\u{202e}\u{7f}";
    tool.write("app.wat", format!("(module (func (export {name:?}) unreachable))").as_bytes());
    tool.good(&["compile", "app.wat", "--quiet"]);
    for args in [&["inspect", "app.kna"][..], &["disassemble", "app.kna"]] {
        let said = tool.good(args);
        assert!(!acts(&said) && said.contains("a\\u{1b}[31m"), "{said:?}");
    }
    let json = tool.good(&["inspect", "app.kna", "--json"]);
    assert!(!acts(&json), "{json:?}");
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["functions"][0]["name"], name);
    let (status, said) = tool.bad(&["run", "app.kna", "--unsigned", "--invoke", name]);
    assert_eq!(status, 1);
    assert!(!acts(&said), "{said:?}");
}

#[test]
fn scripts_are_counted() {
    let tool = Tool::new("scripts_are_counted");
    let script = r#"(module (func (export "one") (result i32) (i32.const 1)))
        (assert_return (invoke "one") (i32.const 1))
        (assert_return (invoke "one") (i32.const 2))"#;
    tool.write("s.wast", script.as_bytes());
    let output = tool.run(&["wast", "s.wast"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("s.wast:3") && said.ends_with("2 passed, 1 failed\n"), "{said}");
}

#[test]
fn help_has_examples() {
    let tool = Tool::new("help_has_examples");
    for command in ["compile", "inspect", "disassemble", "run", "keygen", "wast"] {
        let help = tool.good(&[command, "--help"]);
        assert!(help.contains(&format!("kernref {command} ")), "{help}");
    }
}
