//! Reads selections from text: blanks unite, commas intersect, `+`, `@` and digits reach along the graph.

use std::sync::Arc;

use crate::base::diagnostic::{Diagnostic, Diagnostics};
use crate::base::limits;
use crate::base::source::{Location, SourceFile};
use crate::manifest::manifest::Manifest;
use crate::select::expression::{Criterion, Expression, Operators, Reach, Target};
use crate::select::matcher::{Matcher, bad};
use crate::select::{IndirectSelection, SelectArgs};
use crate::state::Comparison;

/// Turns texts and definitions into expressions and collects every problem on the way.
pub(super) struct Reader<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) diagnostics: Diagnostics,
    /// The named selectors that are being read, outermost first.
    pub(super) open: Vec<String>,
    /// How deep definitions are nested here.
    pub(super) depth: usize,
    indirect: IndirectSelection,
    criteria: usize,
    /// What the methods about the state compare with.
    state: Option<&'a Comparison>,
    /// Whether contracts were compared already.
    contracts_told: bool,
}

/// Where a text comes from.
pub(super) enum Place<'a> {
    /// The text is this file's whole text.
    Argument(&'a Arc<SourceFile>),
    /// The text is a string of a definition that begins there.
    Definition(&'a Location),
}

impl Place<'_> {
    fn location(&self, start: usize, end: usize) -> Location {
        match self {
            Self::Argument(file) => Location::new(file, start..end),
            Self::Definition(location) => (*location).clone(),
        }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(manifest: &'a Manifest, indirect: IndirectSelection, state: Option<&'a Comparison>) -> Self {
        Self {
            manifest,
            diagnostics: Diagnostics::default(),
            open: Vec::new(),
            depth: 0,
            indirect,
            criteria: 0,
            state,
            contracts_told: false,
        }
    }

    /// The expression of a command's arguments.
    pub(super) fn arguments(&mut self, args: &SelectArgs) -> Expression {
        let select: Vec<&str> = args.select.iter().chain(&args.models).map(String::as_str).collect();
        let exclude: Vec<&str> = args.exclude.iter().map(String::as_str).collect();
        if let Some(name) = &args.selector {
            let file = SourceFile::new("--selector", name.clone());
            let location = Location::new(&file, 0..name.len());
            if !select.is_empty() || !exclude.is_empty() {
                let problem = bad("`--selector` cannot be combined with `--select` or `--exclude`");
                let hint = format!("write the named selector as a criterion: `--select selector:{name}`");
                self.diagnostics.push(problem.at(location.clone(), "").with_hint(hint));
            }
            return self.named(name, &location, self.indirect);
        }
        if select.is_empty() && exclude.is_empty() {
            return self.default_selector(self.indirect).unwrap_or(Expression::Everything);
        }
        let included = match select.as_slice() {
            [] => Expression::Everything,
            texts => self.argument("--select", texts, self.indirect),
        };
        match exclude.as_slice() {
            [] => included,
            // A test is excluded with any of the nodes that it reads, whatever the mode of inclusion.
            texts => {
                let excluded = self.argument("--exclude", texts, IndirectSelection::Eager);
                Expression::Difference(Box::new(included), Box::new(excluded))
            }
        }
    }

    fn argument(&mut self, flag: &str, texts: &[&str], indirect: IndirectSelection) -> Expression {
        let file = SourceFile::new(flag, texts.join(" "));
        self.text(&file.text, &Place::Argument(&file), indirect)
    }

    /// Groups between blanks, united.
    pub(super) fn text(&mut self, text: &str, place: &Place<'_>, indirect: IndirectSelection) -> Expression {
        let mut groups = Vec::new();
        for (start, word) in pieces(text, |character| character.is_ascii_whitespace()) {
            // As under dbt, a comma between blanks joins nothing.
            if word.chars().all(|character| character == ',') {
                continue;
            }
            let parts = pieces(word, |character| character == ',')
                .filter_map(|(at, part)| {
                    let location = place.location(start + at, start + at + part.len());
                    self.criterion(part, &location, indirect)
                })
                .collect();
            let mut group = Expression::Intersection(parts);
            if let Place::Argument(_) = place {
                let location = place.location(start, start + word.len());
                group = Expression::Expected { inner: Box::new(group), text: word.to_owned(), location };
            }
            groups.push(group);
        }
        Expression::Union(groups)
    }

    /// One criterion: operators around an optional method and a value.
    fn criterion(&mut self, text: &str, location: &Location, indirect: IndirectSelection) -> Option<Expression> {
        if text.is_empty() {
            self.report(bad("there is nothing on one side of a comma"), location);
            return None;
        }
        let (rest, childrens_parents) = text.strip_prefix('@').map_or((text, false), |rest| (rest, true));
        let behind_digits = rest.trim_start_matches(|character: char| character.is_ascii_digit());
        let (rest, parents) = match behind_digits.strip_prefix('+') {
            Some(behind) => (behind, Some(&rest[..rest.len() - behind_digits.len()])),
            None => (rest, None),
        };
        let before_digits = rest.trim_end_matches(|character: char| character.is_ascii_digit());
        let (rest, children) = match before_digits.strip_suffix('+') {
            Some(before) => (before, Some(&rest[before_digits.len()..])),
            None => (rest, None),
        };
        let operators = Operators {
            childrens_parents,
            parents: self.reach(parents, location)?,
            children: self.reach(children, location)?,
        };
        let is_method = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        let (method, value) = match rest.split_once(':') {
            Some((method, value)) if is_method(method) => (Some(method), value),
            _ => (None, rest),
        };
        if value.is_empty() {
            self.report(bad(format!("`{text}` names nothing to select")), location);
            return None;
        }
        self.build(method, value, operators, indirect, location)
    }

    fn reach(&mut self, digits: Option<&str>, location: &Location) -> Option<Reach> {
        match digits {
            None => Some(Reach::Nowhere),
            Some("") => Some(Reach::Anywhere),
            Some(digits) => {
                let steps = digits.parse().ok().map(Reach::Steps);
                if steps.is_none() {
                    self.report(bad(format!("the number of steps is too large: `{digits}`")), location);
                }
                steps
            }
        }
    }

    /// A criterion from its parts, or the named selector itself where no operator reaches out of it.
    pub(super) fn build(
        &mut self,
        method: Option<&str>,
        value: &str,
        operators: Operators,
        indirect: IndirectSelection,
        location: &Location,
    ) -> Option<Expression> {
        self.criteria += 1;
        if self.criteria == limits::SELECTOR_CRITERIA + 1 {
            let problem = bad(format!("the selection has more than {} criteria", limits::SELECTOR_CRITERIA));
            self.report(problem, location);
        }
        if self.criteria > limits::SELECTOR_CRITERIA {
            return None;
        }
        if operators.childrens_parents && operators.children != Reach::Nowhere {
            let problem = bad("`@` before and `+` behind a criterion cannot be combined");
            let hint = "`@` takes the descendants along already; remove the `+`";
            self.report(problem.with_hint(hint), location);
            return None;
        }
        if method == Some("selector") && !value.is_empty() {
            let inner = self.named(value, location, indirect);
            if operators == Operators::default() {
                return Some(inner);
            }
            let target = Target::Named(Box::new(inner));
            let value = value.to_owned();
            return Some(Expression::Criterion(Criterion { target, value, operators, indirect }));
        }
        match Matcher::parse(method, value, &self.manifest.project_name) {
            Ok(matcher) => {
                if let Err(problem) = self.check_state(&matcher) {
                    self.report(problem, location);
                    return None;
                }
                let (target, value) = (Target::Matcher(matcher), value.to_owned());
                Some(Expression::Criterion(Criterion { target, value, operators, indirect }))
            }
            Err(problem) => {
                self.report(problem, location);
                None
            }
        }
    }

    /// Whether the state has what a method about it compares with.
    fn check_state(&mut self, matcher: &Matcher) -> Result<(), Diagnostic> {
        let (method, file) = match matcher {
            Matcher::State(_) => ("state", "manifest.json"),
            Matcher::Result(_) => ("result", "run_results.json"),
            Matcher::Fresher => ("source_status", "sources.json"),
            _ => return Ok(()),
        };
        let Some(state) = self.state else {
            let message = format!("the selector method `{method}` compares with a state, but there is no `--state`");
            let hint = format!("give the folder that holds the `{file}` of an earlier command: `--state DIR`");
            return Err(Diagnostic::error("no-state", message).with_hint(hint));
        };
        let previous = &state.previous;
        let is_there = match matcher {
            Matcher::State(_) => previous.manifest.is_some(),
            Matcher::Result(_) => previous.results.is_some(),
            _ => previous.sources.is_some(),
        };
        if !is_there {
            return Err(previous.missing(file, &format!("the selector method `{method}` compares with a state")));
        }
        if matches!(matcher, Matcher::Fresher) && state.sources_current.is_none() {
            let message = "there is no `sources.json` in the target folder to compare the state with";
            return Err(Diagnostic::error("no-state", message).with_hint("run `karat source freshness` first"));
        }
        if matches!(matcher, Matcher::State(check) if check.is_about_contracts()) && !self.contracts_told {
            self.contracts_told = true;
            self.diagnostics.extend(state.broken_contracts());
        }
        Ok(())
    }

    /// Adds a problem at a place, with the named selector that it is in.
    pub(super) fn report(&mut self, problem: Diagnostic, location: &Location) {
        let problem = problem.at(location.clone(), "");
        self.diagnostics.push(match self.open.last() {
            Some(name) => problem.with_note(format!("in the selector `{name}`")),
            None => problem,
        });
    }
}

/// The pieces of a text between separators of one byte, each with its offset.
fn pieces(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(is_separator).map(move |piece| {
        let start = at;
        at += piece.len() + 1;
        (start, piece)
    })
}
