//! Tests of the module above.

use super::*;
use crate::cli::args;
use crate::manifest::node::ResourceType;
use crate::select::IndirectSelection;

fn read(line: &[&str], env: &[(&str, &str)]) -> Result<Options, String> {
    read_with_flags(line, env, &[])
}

fn read_with_flags(line: &[&str], env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Options, String> {
    let arguments = std::iter::once("karat").chain(line.iter().copied()).map(std::ffi::OsString::from);
    let arguments = args::parse(arguments).map_err(|error| error.to_string())?;
    let env = ProcessEnv(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Options::new(arguments, &env, &flags).map_err(|problems| {
        problems.0.iter().map(|problem| format!("{}: {}", problem.code, problem.message)).collect::<Vec<_>>().join("\n")
    })
}

fn build(line: &[&str]) -> BuildOptions {
    match read(line, &[]).unwrap().verb {
        Verb::Build(options) | Verb::Run(options) | Verb::Test(options) => options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    args::command().debug_assert();
}

#[test]
fn global_flags_stand_before_or_after_the_verb() {
    let flags = [
        "--project-dir",
        "p",
        "--profiles-dir",
        "q",
        "--profile",
        "r",
        "-t",
        "prod",
        "--target-path",
        "out",
        "--log-path",
        "logs",
        "--vars",
        "{landing: files, n: 3}",
        "--threads",
        "4",
        "--memory",
        "1.5GiB",
        "--now",
        "2024-01-31",
        "--lock-timeout",
        "10m",
        "-x",
        "--warn-error",
        "-q",
        "--no-print",
        "--color",
        "never",
        "--log-format",
        "json",
        "--log-level",
        "warn",
        "--no-partial-parse",
        "--no-write-json",
        "-d",
    ];
    let after: Vec<&str> = ["run", "-s", "a"].into_iter().chain(flags).collect();
    let before: Vec<&str> = flags.into_iter().chain(["run", "-s", "a"]).collect();
    for line in [before, after] {
        let options = read(&line, &[]).unwrap();
        let global = &options.global;
        let paths = [&global.project_dir, &global.profiles_dir, &global.target_path, &global.log_path];
        assert_eq!(paths.map(|path| path.as_ref().unwrap().to_str().unwrap()), ["p", "q", "out", "logs"]);
        assert_eq!((global.profile.as_deref(), global.target.as_deref()), (Some("r"), Some("prod")));
        assert_eq!((&global.vars["landing"], &global.vars["n"]), (&Json::from("files"), &Json::from(3)));
        assert_eq!((global.threads, global.memory), (Some(4), Some(1_610_612_736)));
        assert_eq!(global.now.unwrap().to_rfc3339(), "2024-01-31T00:00:00+00:00");
        assert_eq!(global.lock_timeout, Duration::from_mins(10));
        assert_eq!((global.fail_fast, global.warn_error), (Some(true), Some(true)));
        assert_eq!((global.quiet, global.print, global.debug), (true, false, true));
        assert_eq!((global.color, global.log_format), (ColorChoice::Never, LogFormat::Json));
        assert_eq!((global.log_level, global.write_artifacts), (LogLevel::Warn, false));
    }
}

#[test]
fn selections_take_many_values_and_repeat() {
    let options = build(&["build", "--select", "a", "+b", "-s", "tag:x,c", "-m", "d", "--exclude", "e", "f", "-f"]);
    assert_eq!(options.selection.select, ["a", "+b", "tag:x,c", "d"]);
    assert_eq!(options.selection.exclude, ["e", "f"]);
    assert_eq!(options.full_refresh, Some(true));
    let options = build(&["test", "--resource-types", "model", "data_test", "--indirect-selection", "Cautious"]);
    assert_eq!(options.selection.resource_types, [ResourceType::Model, ResourceType::Test]);
    assert_eq!(options.selection.indirect_selection, Some(IndirectSelection::Cautious));
    assert_eq!(options.store_failures, None);
}

#[test]
fn verbs_have_their_own_flags() {
    let Verb::Show(show) =
        read(&["show", "--inline", "select 1", "--limit", "-1", "--output", "ndjson"], &[]).unwrap().verb
    else {
        panic!("not show")
    };
    assert_eq!((show.inline.as_deref(), show.limit, show.output), (Some("select 1"), None, OutputFormat::Ndjson));
    let Verb::Show(show) = read(&["show", "-s", "a"], &[]).unwrap().verb else { panic!("not show") };
    assert_eq!((show.limit, show.output), (Some(5), OutputFormat::Text));
    let Verb::List(list) = read(&["list", "--output", "json", "--output-keys", "name", "tags"], &[]).unwrap().verb
    else {
        panic!("not ls")
    };
    assert_eq!((list.output, list.output_keys), (ListFormat::Json, vec!["name".to_owned(), "tags".to_owned()]));
    let Verb::RunOperation(call) = read(&["run-operation", "grant", "--args", "role: x"], &[]).unwrap().verb else {
        panic!("not run-operation")
    };
    assert!(matches!(&call.operation, Operation::Macro(name) if name == "grant"));
    assert_eq!(call.arguments["role"], Json::from("x"));
    for line in [
        &["source", "freshness", "-o", "x.json"][..],
        &["seed", "--show"],
        &["debug", "--connection"],
        &["completions", "zsh"],
        &["man"],
        &["clean"],
        &["parse"],
        &["init", "shop", "--skip-profile-setup"],
        &["snapshot", "--output", "json"],
        &["compile", "--inline", "select 1"],
    ] {
        assert!(read(line, &[]).is_ok(), "{line:?}");
    }
}

#[test]
fn variables_stand_for_flags_that_are_not_given() {
    let env = [
        ("DBT_TARGET", "dbts"),
        ("KARAT_TARGET", "ours"),
        ("DBT_PROFILES_DIR", "profiles"),
        ("KARAT_NOW", "2024-01-31T06:00:00Z"),
        ("DBT_FULL_REFRESH", "1"),
        ("DBT_FAIL_FAST", "false"),
        ("NO_COLOR", "1"),
    ];
    let options = read(&["run"], &env).unwrap();
    assert_eq!(options.global.target.as_deref(), Some("ours"));
    assert_eq!(options.global.profiles_dir.as_deref(), Some(Path::new("profiles")));
    assert_eq!((options.global.fail_fast, options.global.color), (Some(false), ColorChoice::Never));
    assert!(options.global.now.is_some());
    assert!(matches!(options.verb, Verb::Run(run) if run.full_refresh == Some(true)));
    let options = read(&["run", "-t", "flag", "-x", "--use-colors"], &env).unwrap();
    assert_eq!((options.global.target.as_deref(), options.global.fail_fast), (Some("flag"), Some(true)));
    assert_eq!(options.global.color, ColorChoice::Always);
}

#[test]
fn everything_that_is_wrong_is_named() {
    let problems = |line: &[&str]| read(line, &[]).unwrap_err();
    let expected = [
        (&["run", "--sample", "3 weeks"][..], "`3 weeks` is not a value of `--sample`: expected a span such as"),
        (&["run", "--sample", "{start: 2024-01-02, end: 2024-01-01}"], "is not a value of `--sample`"),
        (&["run", "--memory", "much"], "`much` is not a value of `--memory`: expected a size such as 4GiB"),
        (&["run", "--threads", "0"], "expected a whole number from 1"),
        (&["run", "--vars", "[1]"], "`[1]` is not a value of `--vars`"),
        (&["ls", "--resource-type", "modle"], "`modle` is not a value of `--resource-type`"),
        (&["--no-fail-fast", "run", "--fail-fast"], "`--fail-fast` and `--no-fail-fast` contradict each other"),
        (&["run", "--selector", "a", "-s", "b"], "`--selector` cannot be combined"),
        (&["run", "--output", "csv"], "expected one of text, json"),
        (&["run", "--unknown"], "unexpected argument '--unknown'"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'"),
    ];
    for (line, message) in expected {
        let found = problems(line);
        assert!(found.contains(message), "{line:?}: {found}");
    }
    assert_eq!(problems(&["run", "--threads", "0", "--vars", "[1]", "--memory", "x"]).lines().count(), 3);
}

#[test]
fn help_names_every_verb_and_hides_what_is_refused() {
    let help = args::command().render_long_help().to_string();
    for verb in ["build", "run-operation", "completions", "KARAT_TARGET"] {
        assert!(help.contains(verb), "{verb}");
    }
    assert!(help.contains("retry") && !help.contains("partial-parse"), "{help}");
    let mut script = Vec::new();
    clap_complete::generate(Shell::Bash, &mut args::command(), "karat", &mut script);
    assert!(String::from_utf8(script).unwrap().contains("run-operation"));
    let page = crate::cli::man::page().unwrap();
    assert!(page.contains("KARAT RUN-OPERATION") && page.contains("\\-\\-full\\-refresh"), "{page}");
}

#[test]
fn the_flags_of_the_project_hold_unless_a_variable_or_a_flag_says_otherwise() {
    let flags = [("fail_fast", "true"), ("warn_error", "yes"), ("indirect_selection", "empty"), ("log_level", "warn")];
    let options = read_with_flags(&["build", "--no-fail-fast"], &[("DBT_WARN_ERROR", "0")], &flags).unwrap();
    assert_eq!((options.global.fail_fast, options.global.warn_error), (Some(false), Some(false)));
    assert_eq!(options.global.log_level, LogLevel::Warn);
    let Verb::Build(build) = options.verb else { panic!("another verb") };
    assert_eq!(build.selection.indirect_selection, Some(IndirectSelection::Empty));
    let problem = read_with_flags(&["build"], &[], &[("fail_fast", "maybe")]).unwrap_err();
    assert_eq!(problem, "invalid-argument: `maybe` is not a value of `--fail-fast`: expected true or false");
}
