//! `karat explain CODE`: what a diagnostic means, why it appears and what to do. It reads nothing but the registry of
//! codes, so it works without a project. The reference page is made of the same texts.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::base::codes::{self, Code, Stage};
use crate::base::diagnostic::{Diagnostic, did_you_mean};
use crate::cli::Outcome;
use crate::cli::printer::Printer;

/// Widest line of a text for people.
const WIDTH: usize = 100;

/// `karat explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArguments {
    /// Codes of diagnostics, such as unknown-column; all are listed if none is given
    #[arg(value_name = "CODE")]
    pub codes: Vec<String>,
    /// Form of the explanation
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: ExplainFormat,
}

/// What the explanation is printed as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// For people
    #[default]
    Text,
    /// A list of objects
    Json,
    /// Sections of a page
    Markdown,
}

/// Explains the codes, or lists all.
pub fn run(arguments: &ExplainArguments, printer: &Printer) -> Outcome {
    let mut wanted: Vec<&Code> = Vec::new();
    let mut all_known = true;
    for name in &arguments.codes {
        match codes::find(&bare(name)) {
            Some(code) if wanted.contains(&code) => {}
            Some(code) => wanted.push(code),
            None => {
                printer.diagnostic(&unknown(name));
                all_known = false;
            }
        }
    }
    if !all_known {
        return Outcome::Usage;
    }
    let lists = arguments.codes.is_empty();
    printer.result(&match arguments.output {
        ExplainFormat::Text if lists => list(),
        ExplainFormat::Text => wanted.iter().map(|code| text(code)).collect::<Vec<_>>().join("\n"),
        ExplainFormat::Json if lists => json_text(codes::all()),
        ExplainFormat::Json => json_text(wanted),
        ExplainFormat::Markdown if lists => reference_page(),
        ExplainFormat::Markdown => wanted.iter().map(|code| section(code)).collect::<Vec<_>>().join("\n"),
    });
    Outcome::Success
}

/// A code as it stands in the registry, of what may have been copied from a message: `error[unknown-column]:`.
fn bare(name: &str) -> String {
    let inner = name.split_once('[').map_or(name, |(_, behind)| behind);
    let inner = inner.split_once(']').map_or(inner, |(before, _)| before);
    inner.trim().to_lowercase().replace('_', "-")
}

fn unknown(name: &str) -> Diagnostic {
    let problem = Diagnostic::error("unknown-code", format!("there is no diagnostic code `{name}`"));
    let wanted = bare(name);
    if let Some(near) = did_you_mean(&wanted, codes::all().map(|code| code.name)) {
        return problem.with_hint(format!("did you mean `{near}`?"));
    }
    let with_part: Vec<String> = codes::all()
        .filter(|code| !wanted.is_empty() && code.name.contains(&wanted))
        .map(|code| format!("`{}`", code.name))
        .collect();
    if with_part.is_empty() {
        problem.with_hint("`karat explain` lists all codes")
    } else {
        problem.with_hint(format!("codes with this word are {}", with_part.join(", ")))
    }
}

/// All codes with their titles, by stage.
fn list() -> String {
    let widest = codes::all().map(|code| code.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for stage in Stage::ALL {
        let _ = writeln!(text, "{}", stage.title());
        for code in stage.codes() {
            let _ = writeln!(text, "  {:widest$}  {}", code.name, code.title);
        }
        text.push('\n');
    }
    text.push_str("`karat explain CODE` tells why a code appears and what to do about it.\n");
    text
}

/// The explanation for people.
fn text(code: &Code) -> String {
    let mut text = format!("{}: {}\n", code.name, code.title);
    for (word, content) in [("Cause", code.cause), ("Fix", code.fix)] {
        let _ = write!(text, "\n{word}\n{}", wrapped(content, "  "));
    }
    if let Some(example) = code.example {
        text.push_str("\nExample\n");
        for line in example.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    let _ = writeln!(text, "\n{}", exits(code));
    text
}

/// `Exit code 2.`, or that there is none.
fn exits(code: &Code) -> String {
    let numbers: Vec<String> = code.exits.iter().filter(|exit| **exit != 0).map(u8::to_string).collect();
    let told = code.exits.contains(&0);
    match (numbers.join(" or "), told) {
        (numbers, _) if numbers.is_empty() => "A remark: the command goes on.".to_owned(),
        (numbers, false) => format!("Exit code {numbers}."),
        (numbers, true) => format!("Exit code {numbers}, or only a remark."),
    }
}

/// A text in lines of at most [`WIDTH`] characters; what stands in backticks is not torn apart.
fn wrapped(content: &str, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in words(content) {
        if !line.is_empty() && indent.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    lines.push(line);
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{indent}{line}");
        text
    })
}

/// The words of a text; blanks within backticks belong to a word.
fn words(content: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_code = false;
    for part in content.split(' ') {
        match words.last_mut() {
            Some(last) if is_code => {
                last.push(' ');
                last.push_str(part);
            }
            _ => words.push(part.to_owned()),
        }
        if part.matches('`').count() % 2 == 1 {
            is_code = !is_code;
        }
    }
    words
}

fn json_text<'a>(codes: impl IntoIterator<Item = &'a Code>) -> String {
    let documents: Vec<_> = codes
        .into_iter()
        .map(|code| {
            json!({
                "code": code.name, "stage": code.stage.title(), "title": code.title, "cause": code.cause,
                "fix": code.fix, "example": code.example, "exit_codes": code.exits,
            })
        })
        .collect();
    json!(documents).to_string()
}

/// The explanation as a section of the page.
fn section(code: &Code) -> String {
    let mut text = format!("### {}\n\n", code.name);
    let _ = writeln!(text, "{}. {}\n", capital(code.title), exits(code));
    let _ = writeln!(text, "**Cause.** {}\n", code.cause);
    let _ = writeln!(text, "**Fix.** {}", code.fix);
    if let Some(example) = code.example {
        let _ = writeln!(text, "\n```\n{example}\n```");
    }
    text
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

/// `docs/reference/diagnostics.md`.
pub fn reference_page() -> String {
    let mut text = String::from(
        "# Diagnostics\n\
         \n\
         Every error, warning and note of karat has a code, which stands in brackets: `error[unknown-column]`.\n\
         This page says of each code why it appears and what to do.\n\
         `karat explain unknown-column` prints the same without a network; `karat explain` lists all codes.\n\
         \n\
         Exit codes: 0 all good, warnings allowed; 1 something of the project failed while it ran; 2 the project or \
         the command line is wrong; 3 the world failed (disk, network, a lock); 130 or 143 interrupted; 101 a bug.\n\
         Wherever the exit code is 2, nothing was built and nothing in the warehouse was changed.\n\
         \n\
         This page is generated from karat's own registry.\n\
         \n",
    );
    for stage in Stage::ALL {
        let _ = writeln!(text, "- [{}](#{})", stage.title(), anchor(stage.title()));
    }
    for stage in Stage::ALL {
        let _ = writeln!(text, "\n## {}\n\n| code | meaning |\n|---|---|", stage.title());
        for code in stage.codes() {
            let _ = writeln!(text, "| [{}](#{}) | {} |", code.name, code.name, code.title);
        }
        for code in stage.codes() {
            let _ = write!(text, "\n{}", section(code));
        }
    }
    text
}

/// The anchor of a heading, as the usual renderers make it.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_taken_out_of_what_was_copied() {
        for written in ["unknown-column", "error[unknown-column]", "[unknown-column]:", "UNKNOWN_COLUMN"] {
            assert_eq!(bare(written), "unknown-column");
        }
    }

    #[test]
    fn lines_are_short_and_code_stays_whole() {
        let long = format!("{} `{}` end", "word ".repeat(18).trim_end(), "a b c d e");
        let lines = wrapped(&long, "  ");
        assert!(lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        assert!(lines.contains("\n  `a b c d e` end\n"), "{lines}");
    }
}
