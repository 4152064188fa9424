//! Tests of the language without a node: refusals, limits, and errors.

mod verbs;

use std::time::{Duration, Instant};

use clap::Parser;
use tokio::{runtime::Runtime, sync::watch};

use super::*;
use crate::{cli::Cli, patience::Patience};

/// A run of a script without a node to talk to.
struct Bench {
    runtime: Runtime,
    signals: watch::Sender<u64>,
    context: Context,
    script: Script,
}

impl Bench {
    fn new(text: &str) -> Bench {
        let (signals, receiver) = watch::channel(0);
        let cli = Cli::try_parse_from(["ctl", "--state", "/nowhere", "status"]).unwrap();
        Bench {
            runtime: Runtime::new().unwrap(),
            signals,
            context: Context::new(&cli.global, Patience::new(receiver)),
            script: Script {
                label: "dir/test.rhai".into(),
                text: text.into(),
                args: vec!["one".into(), "two".into()],
                max_time: None,
                max_operations: None,
            },
        }
    }

    fn run(self) -> Result<(), CtlError> {
        run(self.script, &self.context, self.runtime.handle())
    }
}

fn error(text: &str) -> CtlError {
    Bench::new(text).run().unwrap_err()
}

/// Returns the error that the script threw, as text.
fn thrown(text: &str) -> String {
    let error = error(text).to_string();
    error
        .split_once(": ")
        .map_or(error.clone(), |(_, message)| message.to_owned())
}

#[test]
fn import_is_refused_and_says_why() {
    let error = error("import \"/etc/other\" as other;");
    assert_eq!(
        error.to_string(),
        "dir/test.rhai:1:8: cannot import /etc/other: a script is one file"
    );
}

#[test]
fn eval_is_refused_in_every_spelling() {
    for text in [
        "eval(\"40 + 2\")",
        "Fn(\"eval\").call(\"1\")",
        "Fn(\"ev\" + \"al\").call(\"1\")",
    ] {
        assert_eq!(error(text).exit_code(), 1, "{text}");
    }
}

#[test]
fn an_error_names_line_column_and_function() {
    let text = "fn fetch_all() {\n    throw \"no luck\";\n}\n\nfetch_all();";
    assert_eq!(
        error(text).to_string(),
        "dir/test.rhai:2:5 in fetch_all: no luck"
    );
}

#[test]
fn the_innermost_function_is_named() {
    let text = "fn inner() { throw \"x\" }\nfn outer() { inner() }\nouter();";
    assert_eq!(error(text).to_string(), "dir/test.rhai:1:14 in inner: x");
}

#[test]
fn a_syntax_error_names_its_place() {
    let text = error("let x = ;\n").to_string();
    assert!(text.starts_with("dir/test.rhai:1:9: "), "{text}");
}

#[test]
fn the_language_s_own_errors_name_their_place_once() {
    let text = error("let x = 1;\nx.nothing_like_it();").to_string();
    assert!(
        text.starts_with("dir/test.rhai:2:3: Function not found"),
        "{text}"
    );
    assert!(!text.contains("(line"), "{text}");
}

#[test]
fn a_shebang_is_a_comment() {
    let text = error("#!/usr/bin/env -S ctl run\nthrow \"x\";").to_string();
    assert_eq!(text, "dir/test.rhai:2:1: x");
}

#[test]
fn a_thrown_code_is_the_exit_code() {
    for (code, exit) in [
        ("\"not_found\"", 3),
        ("\"exists\"", 13),
        ("24", 24),
        ("\"odd\"", 1),
        ("0", 1),
    ] {
        let error = error(&format!("throw #{{code: {code}, message: \"it\"}};"));
        assert_eq!(error.exit_code(), exit, "{code}");
        assert_eq!(error.to_string(), "dir/test.rhai:1:1: it");
    }
}

#[test]
fn an_error_of_a_verb_is_a_map_that_can_be_caught() {
    let text = "try { peers() } catch (e) { throw `${e.code} ${e.exit} ${e.message}` }";
    let message = thrown(text);
    assert!(
        message.starts_with("network 6 no node runs with the state directory /nowhere"),
        "{message}"
    );
}

#[test]
fn an_error_that_is_thrown_again_keeps_its_code() {
    let text = "fn f() { peers() }\ntry { f() } catch (e) { throw e }";
    assert_eq!(error(text).exit_code(), 6);
}

#[test]
fn a_node_is_looked_for_only_when_it_is_needed() {
    assert!(
        Bench::new("let x = 1; print(\"no node was needed\");")
            .run()
            .is_ok()
    );
}

#[test]
fn arguments_are_seen_everywhere() {
    let text = "fn second() { args[1] }\nthrow `${args.len()} ${args[0]} ${second()}`;";
    assert_eq!(thrown(text), "2 one two");
}

#[test]
fn exit_ends_with_its_code_and_cannot_be_caught() {
    let error = error("try { exit(7) } catch { exit(8) }");
    assert_eq!((error.exit_code(), error.line()), (7, None));
    assert_eq!(Bench::new("exit()").run().unwrap_err().exit_code(), 0);
    assert!(Bench::new("5").run().is_ok());
}

#[test]
fn exit_takes_an_exit_code() {
    for code in ["256", "-1", "\"x\"", "()"] {
        assert_eq!(error(&format!("exit({code})")).exit_code(), 2, "{code}");
    }
}

#[test]
fn operations_are_limited_when_asked_for() {
    let mut bench = Bench::new("loop { }");
    bench.script.max_operations = Some(10_000);
    let error = bench.run().unwrap_err();
    assert!(error.to_string().contains("--max-operations"), "{error}");
}

#[test]
fn a_deadline_ends_a_loop_and_a_sleep_that_cannot_catch_it() {
    for text in [
        "loop { }",
        "try { sleep(1000) } catch { }",
        "sleep(1000.5)",
        "loop { try { sleep(0.001) } catch { } }",
    ] {
        let mut bench = Bench::new(text);
        bench.script.max_time = Some(Duration::from_millis(30));
        let began = Instant::now();
        assert_eq!(bench.run().unwrap_err().exit_code(), 124, "{text}");
        assert!(began.elapsed() < Duration::from_secs(60), "{text}");
    }
}

#[test]
fn a_signal_ends_a_loop_and_a_sleep() {
    for text in ["loop { }", "sleep(1000)"] {
        let bench = Bench::new(text);
        bench.signals.send_modify(|count| *count += 1);
        assert_eq!(bench.run().unwrap_err().exit_code(), 130, "{text}");
    }
}

#[test]
fn a_script_with_a_timer_goes_on_until_something_ends_it() {
    let endless = "every(0.01, || ());";
    let mut bench = Bench::new(endless);
    bench.script.max_time = Some(Duration::from_millis(50));
    assert_eq!(bench.run().unwrap_err().exit_code(), 124);
    let bench = Bench::new(endless);
    bench.signals.send_modify(|count| *count += 1);
    assert_eq!(bench.run().unwrap_err().exit_code(), 130);
    for text in [
        "every(0.01, || stop());",
        "every(1000, || ()); stop();",
        "let timer = every(1000, || ()); off(timer);",
        "let timer = 0; timer = every(0.01, || off(timer));",
    ] {
        assert!(Bench::new(text).run().is_ok(), "{text}");
    }
}

#[test]
fn timers_are_called_in_turn_and_share_what_they_capture() {
    let text = r#"
        let said = "";
        every(0.01, || { said += "a"; if said.len() > 6 { throw said } });
        every(0.01, || { said += "b"; });"#;
    let said = thrown(text);
    assert!(said.contains('a') && said.contains('b'), "{said}");
}

#[test]
fn a_time_is_a_number_of_seconds() {
    for seconds in ["0", "-1", "0.0 / 0.0", "\"1\"", "1e300"] {
        let text = format!("every({seconds}, || ());");
        assert_eq!(error(&text).exit_code(), 2, "{seconds}");
    }
}

#[test]
fn odd_sleeps_are_no_sleeps() {
    assert!(
        Bench::new("sleep(-1); sleep(0); sleep(-0.5); sleep(0.0 / 0.0);")
            .run()
            .is_ok()
    );
}

#[test]
fn replace_cannot_grow_a_string_without_bound() {
    let text = "let s = \"aaaaaaaaaaaaaaaa\"; loop { s.replace(\"a\", \"aaaaaaaaaaaaaaaa\"); }";
    let message = error(text).to_string();
    assert!(message.contains("too large"), "{message}");
    let text = "let s = \"aaaaaaaaaaaaaaaa\"; loop { s.replace('a', \"aaaaaaaaaaaaaaaa\"); }";
    assert!(error(text).to_string().contains("too large"));
}

#[test]
fn replace_does_what_it_says() {
    let text = r#"
        let a = "hello"; a.replace("l", "L");
        let b = "hello"; b.replace('l', "LL");
        let c = "hello"; c.replace("l", '*');
        let d = "hello"; d.replace('l', '-');
        throw `${a} ${b} ${c} ${d}`;"#;
    assert_eq!(thrown(text), "heLLo heLLLLo he**o he--o");
}

#[test]
fn strings_arrays_maps_and_calls_are_limited() {
    let cases = [
        ("let s = \"x\"; loop { s += s; }", "too large"),
        ("let a = [0]; loop { a += a; }", "too large"),
        ("let m = #{a: 1}; loop { m = #{a: m, b: m}; }", "too large"),
        ("fn f(n) { f(n + 1) } f(0);", "Stack overflow"),
    ];
    for (text, expected) in cases {
        let message = error(text).to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn deep_nesting_is_refused_and_deep_calls_fit_on_the_stack() {
    let nested = format!("let x = {}1{};", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(error(&nested).exit_code(), 1);
    let sum = format!("{}f(n - 1){}", "1+(".repeat(20), ")".repeat(20));
    let text =
        format!("fn f(n) {{ if n == 0 {{ 0 }} else {{ {sum} }} }}\nthrow f(60).to_string();");
    assert_eq!(thrown(&text), "1200");
}

#[test]
fn call_still_calls_functions() {
    let text = "let add = |a, b| a + b; let f = Fn(\"len\"); throw `${add.call(1, 2)} ${call(add, 3, 4)} ${f.call(\"four\")}`;";
    assert_eq!(thrown(text), "3 7 4");
    assert!(thrown("call(1)").contains("Function not found: call (i64)"));
}

#[test]
fn a_script_cannot_name_files_or_programs() {
    for call in [
        "open_file(\"x\")",
        "read_file(\"x\")",
        "exec(\"x\")",
        "system(\"x\")",
        "env(\"HOME\")",
    ] {
        assert!(
            error(call).to_string().contains("Function not found"),
            "{call}"
        );
    }
}

#[test]
fn a_property_that_is_not_there_is_an_error() {
    let text = "let hit = #{name: \"a\"}; hit.nmae";
    assert!(thrown(text).contains("nmae"), "{}", thrown(text));
    let text =
        "let m = #{}; m.a = 1; m[\"b\"] = 2; throw `${m.a} ${m.get(\"c\") == ()} ${\"b\" in m}`;";
    assert_eq!(thrown(text), "1 true true");
}

#[test]
fn dates_and_times_are_read_and_written() {
    assert_eq!(thrown("throw date(951782400000)"), "2000-02-29T00:00:00Z");
    assert_eq!(thrown("throw `${date(\"2000-02-29\")}`"), "951782400000");
    assert_eq!(thrown("throw `${now() > date(\"2026-01-01\")}`"), "true");
    for wrong in ["date(\"soon\")", "date(-1)"] {
        assert_eq!(error(wrong).exit_code(), 2, "{wrong}");
    }
}

#[test]
fn regular_expressions_match_and_say_what_is_wrong_with_them() {
    let text =
        r#"throw `${matches("Report 2026.pdf", "(?i)^report \\d{4}")} ${matches("x", "y")}`"#;
    assert_eq!(thrown(text), "true false");
    assert_eq!(error("matches(\"x\", \"(\")").exit_code(), 2);
    assert_eq!(error("matches(\"x\", \"(a{1000}){1000}\")").exit_code(), 2);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    assert_eq!(
        error("\u{feff}throw \"x\";").to_string(),
        "dir/test.rhai:1:1: x"
    );
    let text = error("\u{feff}#!/usr/bin/env ctl\nthrow \"x\";").to_string();
    assert_eq!(text, "dir/test.rhai:2:1: x");
}
