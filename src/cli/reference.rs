//! The reference pages in `docs/reference`, made from the definitions that the program itself uses: what a page says
//! is defined beside what it describes. A test compares the pages with what is made here.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::base::env::OTHER_VARIABLES;
use crate::cli::args;
use crate::cli::options::VARIABLES;
use crate::engine::dialect::{SYNTAX, Spelling, calls, refused, templates};
use crate::engine::functions;
use crate::engine::statement;
use crate::files::{profiles, project, properties_source};
use crate::parse::config::keys;
use crate::template::built_in_tests;

/// A line below each heading, so that nobody mends a page by hand.
const MADE: &str = "This page is made from karat's source.\n";

/// The pages by file name.
pub fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("commands.md", commands()),
        ("config.md", config()),
        ("dialect.md", sql()),
        ("environment.md", environment()),
        ("tests.md", tests()),
    ]
}

/// A table; `|` in cells is escaped.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut text = line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    let _ = writeln!(text, "|{}", "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&line(&row));
    }
    text
}

/// Every verb with its flags.
fn commands() -> String {
    let mut definition = args::command();
    definition.build();
    let mut text = format!("# Commands\n\n{MADE}\n");
    text.push_str(
        "Results go to standard output, progress and messages to standard error. Global options stand before or after \
         the verb. Exit codes: 0 all good, warnings allowed; 1 something of the project failed; 2 the project or the \
         command line is wrong; 3 disk, network, a lock or a conflict; 101 a mistake in karat; 130 interrupted; 143 \
         terminated.\n\n",
    );
    let verbs: Vec<(String, &Command)> = verbs(&definition, "karat");
    let rows = verbs.iter().map(|(name, verb)| {
        let anchor = name.replace(' ', "-");
        vec![format!("[`{name}`](#{anchor})"), about(verb)]
    });
    text.push_str(&table(&["command", "what it does"], rows));
    for (name, verb) in &verbs {
        let _ = write!(text, "\n## {name}\n\n{}.\n\n", about(verb));
        let positional: Vec<String> = verb
            .get_positionals()
            .filter(|arg| !arg.is_hide_set())
            .map(|arg| {
                let name = arg.get_id().as_str().to_uppercase();
                if arg.is_required_set() { format!("<{name}>") } else { format!("[{name}]") }
            })
            .collect();
        let _ = write!(
            text,
            "```sh\n{}\n```\n",
            [name.clone(), "[options]".to_owned()].into_iter().chain(positional).collect::<Vec<_>>().join(" ")
        );
        let own: Vec<Vec<String>> =
            verb.get_arguments().filter(|arg| !arg.is_global_set() && is_shown(arg)).map(option).collect();
        if !own.is_empty() {
            let _ = write!(text, "\n{}", table(&["option", "meaning", "default"], own));
        }
    }
    let global = definition.get_arguments().filter(|arg| arg.is_global_set() && is_shown(arg)).map(option);
    let _ = write!(text, "\n## Global options\n\n{}", table(&["option", "meaning", "default"], global));
    text
}

/// The verbs that can be given, those of verbs included.
fn verbs<'a>(command: &'a Command, name: &str) -> Vec<(String, &'a Command)> {
    let mut all = Vec::new();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        let name = format!("{name} {}", verb.get_name());
        let below = verbs(verb, &name);
        if below.is_empty() {
            all.push((name, verb));
        } else {
            all.extend(below);
        }
    }
    all
}

fn is_shown(arg: &Arg) -> bool {
    !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version"
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn option(arg: &Arg) -> Vec<String> {
    let mut names = Vec::new();
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    if names.is_empty() {
        names.push(arg.get_id().as_str().to_uppercase());
    }
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values() && !arg.is_positional());
    let value = value.map(|names| names.join(" ")).unwrap_or_default();
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", format!("{name} {value}").trim())).collect();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    // A default that the program works out stands in its help, in brackets.
    let (meaning, told) = match help.split_once(" [default: ") {
        Some((meaning, default)) => (meaning.to_owned(), default.trim_end_matches(']').to_owned()),
        None => (help, String::new()),
    };
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let default = if told.is_empty() && arg.get_action().takes_values() { defaults.join(", ") } else { told };
    vec![names.join(", "), meaning, default]
}

/// Keys of the project file, of nodes, of sources over files and of targets.
fn config() -> String {
    let mut text = format!("# Configuration\n\n{MADE}");
    let named = |rows: &[(&str, &str, &str)]| -> Vec<Vec<String>> {
        rows.iter()
            .map(|(name, value, meaning)| vec![format!("`{name}`"), (*value).to_owned(), (*meaning).to_owned()])
            .collect()
    };
    let head = ["key", "value, default", "meaning"];
    text.push_str("\n## Project file\n\n`project.yml`, or `dbt_project.yml` where that is absent. An unknown key is an error in the first and a warning in the second.\n\n");
    text.push_str(&table(&head, named(&project::KEYS)));
    let flags: Vec<String> = project::FLAGS.iter().map(|flag| format!("`{flag}`")).collect();
    let _ = write!(text, "\nFlags that `flags` may set: {}.\n", flags.join(", "));
    text.push_str(
        "\n## Nodes\n\nConfiguration of a node is put together from the project file (by folder, with `+`), properties files (`config:`) and \
         the template (`{{ config(...) }}`); the more specific wins.\n\n",
    );
    let rows = keys::KEYS.iter().map(|key| {
        vec![
            format!("`{}`", key.name),
            key.of.to_owned(),
            key.value.to_owned(),
            key.default.to_owned(),
            key.meaning.to_owned(),
        ]
    });
    text.push_str(&table(&["key", "of", "value", "default", "meaning"], rows));
    let kept: Vec<String> = keys::KEPT.iter().map(|key| format!("`{key}`")).collect();
    let _ = write!(
        text,
        "\nKept for artifacts and macros, without effect: {}. Any other key is allowed, too; one that is nearly a known one is warned about.\n",
        kept.join(", ")
    );
    text.push_str("\n## Sources over files\n\nUnder `external:` of a source or of one of its tables.\n\n");
    text.push_str(&table(&head, named(&properties_source::EXTERNAL_KEYS)));
    text.push_str("\nOptions of the format, under `options:`:\n\n");
    let options =
        properties_source::OPTIONS.iter().map(|(name, meaning)| vec![format!("`{name}`"), (*meaning).to_owned()]);
    text.push_str(&table(&["option", "meaning"], options));
    text.push_str("\n## Targets\n\nOutputs of a profile in `profiles.yml`, which is looked for in `--profiles-dir`, the project's folder, `~/.karat` and `~/.dbt`. Without that file there is the target `dev`.\n\n");
    text.push_str(&table(&head, named(&profiles::KEYS)));
    text
}

/// Variables of the environment.
fn environment() -> String {
    let definition = args::command();
    let meaning = |flag: &str| {
        let long = flag.trim_start_matches("--");
        let in_all = std::iter::once(&definition).chain(definition.get_subcommands());
        let mut found = in_all.flat_map(Command::get_arguments).filter(|arg| arg.get_long() == Some(long));
        let help = found.find_map(|arg| arg.get_help().map(ToString::to_string)).unwrap_or_default();
        help.split(" [default: ").next().unwrap_or_default().to_owned()
    };
    let mut text = format!("# Environment variables\n\n{MADE}");
    text.push_str("\nA flag on the command line wins over its variable, a variable over `flags:` of the project file. dbt's names are understood; where both are set, karat's wins. Of a switch, `1`, `true`, `yes`, `on` and their opposites are understood.\n\n");
    let rows = VARIABLES.iter().map(|(name, flag)| {
        vec![format!("`KARAT_{name}`"), format!("`DBT_{name}`"), format!("`{flag}`"), meaning(flag)]
    });
    text.push_str(&table(&["variable", "dbt's name", "flag", "meaning"], rows));
    text.push_str("\nOther variables:\n\n");
    let rows = OTHER_VARIABLES.iter().map(|(name, meaning)| vec![format!("`{name}`"), (*meaning).to_owned()]);
    text.push_str(&table(&["variable", "meaning"], rows));
    text
}

/// The SQL of other databases: functions, syntax, and what is refused.
fn sql() -> String {
    let mut text = format!("# SQL\n\n{MADE}");
    text.push_str(
        "\nThe engine is DataFusion, whose functions are all there. This page has what karat adds, so that models which \
         were written for DuckDB, Postgres, Snowflake or BigQuery run unchanged, and what to write instead of the rest. \
         Where databases differ, DuckDB's meaning counts.\n\n## Syntax\n\n",
    );
    let spellings = |head: &str, spellings: &[Spelling]| {
        let rows = spellings.iter().map(|spelling| {
            vec![format!("`{}`", spelling.written), spelling.meaning.to_owned(), format!("`{}`", spelling.example)]
        });
        table(&[head, "meaning", "example"], rows)
    };
    text.push_str(&spellings("written", SYNTAX));
    text.push_str("\n## Functions that are rewritten\n\n");
    text.push_str(&spellings("function", calls::CALLS));
    text.push_str("\n## Functions that are an expression\n\n");
    let rows = templates::TEMPLATES.iter().map(|(call, meaning)| vec![format!("`{call}`"), format!("`{meaning}`")]);
    text.push_str(&table(&["function", "is"], rows));
    text.push_str("\n## Other names\n\n");
    let rows = calls::RENAMED.iter().map(|(other, known)| vec![format!("`{other}`"), format!("`{known}`")]);
    text.push_str(&table(&["name", "is"], rows));
    let mut family = "";
    for doc in functions::catalog() {
        if doc.family != family {
            family = doc.family;
            let _ = write!(text, "\n## {family}\n\n{}", table(&["function", "meaning", "example", "gives"], []));
        }
        let aliases: Vec<String> = doc.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let also = if aliases.is_empty() { String::new() } else { format!(" Also {}.", aliases.join(", ")) };
        let row = [
            format!("`{}`", doc.signature),
            format!("{}{also}", doc.summary),
            format!("`{}`", doc.example),
            format!("`{}`", doc.result),
        ];
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    let refused = |text: &mut String, head: &str, rows: &[(&str, &str)]| {
        let rows = rows.iter().map(|(written, instead)| vec![format!("`{written}`"), (*instead).to_owned()]);
        text.push_str(&table(&[head, "instead"], rows));
    };
    text.push_str("\n## What is refused\n\nThe error says the same.\n\n");
    refused(&mut text, "syntax", refused::SYNTAX);
    text.push('\n');
    refused(&mut text, "function", refused::FUNCTIONS);
    text.push_str(
        "\n## Statements\n\nHooks, operations and `run_query` may say statements beside queries, one or several with `;` \
         between them. Each changes its relation whole or not at all; all become visible with the run. `begin`, \
         `commit`, `analyze`, `vacuum` and `checkpoint` have no effect.\n\n",
    );
    let rows = statement::FORMS.iter().map(|(form, meaning)| vec![format!("`{form}`"), (*meaning).to_owned()]);
    text.push_str(&table(&["statement", "meaning"], rows));
    text.push('\n');
    refused(&mut text, "refused", statement::REFUSED);
    text
}

/// The built-in data tests.
fn tests() -> String {
    let mut text = format!("# Data tests\n\n{MADE}");
    text.push_str(
        "\nA data test is a query that finds what is wrong: it passes if there are no rows. These are built in; write \
         your own as `{% test name(model, column_name) %}` in a macro folder or in `tests/generic`, or as a query in \
         `tests`. A test of your own with the name of a built-in one replaces it.\n",
    );
    for test in built_in_tests() {
        let arguments: Vec<&str> = test.arguments.iter().map(String::as_str).collect();
        let _ = write!(text, "\n## {}\n\n{}\n\n```yaml\ndata_tests:\n", test.name, test.about);
        if arguments.is_empty() {
            let _ = writeln!(text, "  - {}", test.name);
        } else {
            let _ = writeln!(text, "  - {}:\n      arguments:", test.name);
            for argument in arguments {
                let (name, default) =
                    argument.split_once('=').map_or((argument, "..."), |(name, default)| (name, default));
                let _ = writeln!(text, "        {}: {}", name.trim(), default.trim());
            }
        }
        text.push_str("```\n");
    }
    text.push_str(
        "\nSeverity, conditions, filters and stored failures are [configuration](config.md#nodes) of a test.\n",
    );
    text
}
