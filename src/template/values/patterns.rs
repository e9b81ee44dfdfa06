//! Python's `re`. A pattern that Rust's regular expressions know takes no longer than the text is long; one with
//! look-around or back-references is tried in ways that are counted, and there is a limit to that.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Object, ObjectRepr};

use crate::base::limits;
use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::{Arguments, text_argument};
use crate::template::failure::{Eval, Failure, fail};
use crate::template::syntax::Span;
use crate::template::values::{self, Dict, List};

mod python;

/// Python's values of `re.IGNORECASE`, `re.MULTILINE`, `re.DOTALL` and `re.VERBOSE`.
pub const FLAGS: [(&str, i64); 8] =
    [("IGNORECASE", 2), ("I", 2), ("MULTILINE", 8), ("M", 8), ("DOTALL", 16), ("S", 16), ("VERBOSE", 64), ("X", 64)];

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    source: String,
    flags: i64,
    engine: Engine,
}

/// What finds a pattern.
#[derive(Debug)]
enum Engine {
    /// In time that grows with the text.
    Linear(regex::Regex),
    /// By trying, for look-around and back-references.
    Trying(fancy_regex::Regex),
}

/// The places of the groups of one match; the first is the whole.
type Groups = Vec<Option<Range<usize>>>;

/// What a pattern found.
#[derive(Debug)]
pub struct Match {
    groups: Vec<Option<(usize, usize, String)>>,
    names: Vec<Option<String>>,
}

impl Engine {
    fn new(source: &str, flags: i64) -> Result<Self, String> {
        let source = python::translate(source);
        let linear = regex::RegexBuilder::new(&source)
            .case_insensitive(flags & 2 != 0)
            .multi_line(flags & 8 != 0)
            .dot_matches_new_line(flags & 16 != 0)
            .ignore_whitespace(flags & 64 != 0)
            .build();
        let error = match linear {
            Ok(regex) => return Ok(Self::Linear(regex)),
            Err(error) => error,
        };
        fancy_regex::RegexBuilder::new(&source)
            .case_insensitive(flags & 2 != 0)
            .multi_line(flags & 8 != 0)
            .dot_matches_new_line(flags & 16 != 0)
            .ignore_whitespace(flags & 64 != 0)
            .backtrack_limit(limits::PATTERN_BACKTRACKS)
            .build()
            .map(Self::Trying)
            .map_err(|trying| {
                let linear = reason(&error);
                // What only the other one knows, only the other one can explain.
                if linear.ends_with("not supported") { trying.to_string() } else { linear }
            })
    }

    /// The matches in a text, from the left, at most as many as wanted.
    fn find(&self, text: &str, most: usize) -> Eval<Vec<Groups>> {
        match self {
            Self::Linear(regex) => {
                let groups = |captures: regex::Captures<'_>| {
                    captures.iter().map(|group| group.map(|group| group.range())).collect()
                };
                Ok(regex.captures_iter(text).take(most).map(groups).collect())
            }
            Self::Trying(regex) => {
                let mut found = Vec::new();
                for captures in regex.captures_iter(text).take(most) {
                    let Ok(captures) = captures else {
                        let message = format!(
                            "the pattern `{}` would be tried in more than {} ways on this text",
                            regex.as_str(),
                            limits::PATTERN_BACKTRACKS
                        );
                        let hint = "repetitions within repetitions, such as `(a*)*`, have too many ways to match";
                        return Err(Failure::new("jinja-limit", message).with_hint(hint).into());
                    };
                    found.push(captures.iter().map(|group| group.map(|group| group.range())).collect());
                }
                Ok(found)
            }
        }
    }

    fn names(&self) -> Vec<Option<String>> {
        match self {
            Self::Linear(regex) => regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
            Self::Trying(regex) => regex.capture_names().map(|name| name.map(str::to_owned)).collect(),
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    pub fn compile(source: &str, flags: i64) -> Eval<Self> {
        match Engine::new(source, flags) {
            Ok(engine) => Ok(Self { source: source.to_owned(), flags, engine }),
            Err(reason) => {
                Err(Failure::new("jinja-error", format!("cannot use the pattern `{source}`: {reason}")).into())
            }
        }
    }

    /// The pattern bound to the beginning, or to the beginning and the end.
    fn anchored(&self, whole: bool) -> Eval<Engine> {
        let end = if whole { r"\z" } else { "" };
        Engine::new(&format!(r"\A(?:{}){end}", self.source), self.flags)
            .map_err(|reason| Failure::new("jinja-error", reason).into())
    }
}

/// The last line of the parser's message says what is wrong.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned()
}

/// The text of a group.
fn part<'t>(text: &'t str, group: Option<&Range<usize>>) -> Option<&'t str> {
    text.get(group?.clone())
}

impl Object for Pattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "pattern").then(|| Value::from(self.source.as_str()))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "re.compile('{}')", self.source)
    }
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.group(key)
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.groups.first() {
            Some(Some((start, end, text))) => {
                write!(formatter, "<re.Match object; span=({start}, {end}), match='{text}'>")
            }
            _ => formatter.write_str("<re.Match object>"),
        }
    }
}

impl Match {
    fn new(engine: &Engine, text: &str, groups: &Groups) -> Self {
        let position = |at: usize| text.get(..at).unwrap_or_default().chars().count();
        let group = |range: &Range<usize>| {
            (position(range.start), position(range.end), text.get(range.clone()).unwrap_or_default().to_owned())
        };
        Self { groups: groups.iter().map(|range| range.as_ref().map(group)).collect(), names: engine.names() }
    }

    fn index(&self, key: &Value) -> Option<usize> {
        match key.as_str() {
            Some(name) => self.names.iter().position(|candidate| candidate.as_deref() == Some(name)),
            None => key.as_usize().filter(|index| *index < self.groups.len()),
        }
    }

    fn group(&self, key: &Value) -> Option<Value> {
        let group = self.groups.get(self.index(key)?)?;
        Some(group.as_ref().map_or_else(|| Value::from(()), |(_, _, text)| Value::from(text.as_str())))
    }

    fn call(&self, name: &str, arguments: &Arguments) -> Eval<Option<Value>> {
        let wanted = arguments.positional.first().cloned().unwrap_or_else(|| Value::from(0));
        let unknown = || Failure::new("jinja-error", format!("the pattern has no group {wanted}"));
        Ok(Some(match name {
            "group" if arguments.positional.len() > 1 => {
                let groups = arguments.positional.iter().map(|key| self.group(key).ok_or_else(unknown));
                values::tuple(groups.collect::<Result<_, _>>()?)
            }
            "group" => self.group(&wanted).ok_or_else(unknown)?,
            "groups" => {
                let groups = (1..self.groups.len()).filter_map(|index| self.group(&Value::from(index)));
                values::tuple(groups.collect())
            }
            "groupdict" => {
                let named = self.names.iter().flatten();
                Dict::value(
                    named.filter_map(|name| {
                        Some((Value::from(name.as_str()), self.group(&Value::from(name.as_str()))?))
                    }),
                )
            }
            "start" | "end" | "span" => {
                let group = self.index(&wanted).and_then(|index| self.groups.get(index)).ok_or_else(unknown)?;
                let (start, end) = group.as_ref().map_or((-1, -1), |(start, end, _)| {
                    (i64::try_from(*start).unwrap_or(-1), i64::try_from(*end).unwrap_or(-1))
                });
                match name {
                    "start" => Value::from(start),
                    "end" => Value::from(end),
                    _ => values::tuple(vec![Value::from(start), Value::from(end)]),
                }
            }
            _ => return Ok(None),
        }))
    }
}

/// Calls a method of a pattern or a match; `None` if the value is none or has no such method.
pub fn call_method(
    interpreter: &mut Interpreter<'_>,
    value: &Value,
    name: &str,
    arguments: &Arguments,
    span: Span,
) -> Eval<Option<Value>> {
    if let Some(found) = value.downcast_object_ref::<Match>() {
        return found.call(name, arguments);
    }
    let Some(pattern) = value.downcast_object_ref::<Pattern>() else { return Ok(None) };
    if !FUNCTIONS.contains(&name) {
        return Ok(None);
    }
    apply(interpreter, pattern, name, arguments.clone(), span).map(Some)
}

/// The functions of `re` that take a pattern.
pub const FUNCTIONS: [&str; 8] = ["match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"];

/// Calls one of [`FUNCTIONS`] with a pattern.
pub fn apply(
    interpreter: &mut Interpreter<'_>,
    pattern: &Pattern,
    name: &str,
    arguments: Arguments,
    span: Span,
) -> Eval {
    let function = format!("re.{name}");
    if matches!(name, "sub" | "subn") {
        return substitute(interpreter, pattern, name, arguments, span);
    }
    let [text, limit] = arguments.bind(&function, ["string", "maxsplit"], 1)?;
    let text = text_argument(&function, "string", &text.unwrap_or_default())?;
    interpreter.spend_bytes(text.len())?;
    let found = |engine: &Engine| -> Eval {
        Ok(match engine.find(&text, 1)?.first() {
            Some(groups) => Value::from_object(Match::new(engine, &text, groups)),
            None => Value::from(()),
        })
    };
    let all = |most: usize| pattern.engine.find(&text, most);
    Ok(match name {
        "match" => found(&pattern.anchored(false)?)?,
        "fullmatch" => found(&pattern.anchored(true)?)?,
        "search" => found(&pattern.engine)?,
        "findall" => {
            let groups = |groups: Groups| {
                let texts: Vec<Value> =
                    groups.iter().map(|group| Value::from(part(&text, group.as_ref()).unwrap_or(""))).collect();
                match texts.len() {
                    0 | 1 => texts.into_iter().next().unwrap_or_default(),
                    2 => texts.into_iter().nth(1).unwrap_or_default(),
                    _ => values::tuple(texts.into_iter().skip(1).collect()),
                }
            };
            List::value(all(usize::MAX)?.into_iter().map(groups).collect())
        }
        "finditer" => {
            let matches = all(usize::MAX)?;
            let one = |groups: &Groups| Value::from_object(Match::new(&pattern.engine, &text, groups));
            List::value(matches.iter().map(one).collect())
        }
        _ => {
            let limit = limit.and_then(|limit| limit.as_usize()).filter(|limit| *limit > 0);
            let mut parts = Vec::new();
            let mut start = 0;
            for groups in all(limit.unwrap_or(usize::MAX))? {
                let Some(Some(whole)) = groups.first() else { break };
                parts.push(Value::from(text.get(start..whole.start).unwrap_or_default()));
                parts.extend(groups.iter().skip(1).map(|group| match part(&text, group.as_ref()) {
                    Some(text) => Value::from(text),
                    None => Value::from(()),
                }));
                start = whole.end;
            }
            parts.push(Value::from(text.get(start..).unwrap_or_default()));
            List::value(parts)
        }
    })
}

fn substitute(
    interpreter: &mut Interpreter<'_>,
    pattern: &Pattern,
    name: &str,
    arguments: Arguments,
    span: Span,
) -> Eval {
    let function = format!("re.{name}");
    let [replacement, text, count] = arguments.bind(&function, ["repl", "string", "count"], 2)?;
    let text = text_argument(&function, "string", &text.unwrap_or_default())?;
    interpreter.spend_bytes(text.len())?;
    let replacement = replacement.unwrap_or_default();
    let limit = count.and_then(|count| count.as_usize()).filter(|count| *count > 0);
    let template = replacement.as_str().map(python::replacement);
    let names = pattern.engine.names();
    let mut output = String::new();
    let (mut start, mut made) = (0, 0);
    for groups in pattern.engine.find(&text, limit.unwrap_or(usize::MAX))? {
        let Some(Some(whole)) = groups.first() else { break };
        output.push_str(text.get(start..whole.start).unwrap_or_default());
        if let Some(template) = &template {
            for piece in template {
                let index = match piece {
                    python::Piece::Text(text) => {
                        output.push_str(text);
                        continue;
                    }
                    python::Piece::Group(index) => Some(*index),
                    python::Piece::Named(name) => names.iter().position(|known| known.as_deref() == Some(name)),
                };
                let group = index.and_then(|index| groups.get(index)).and_then(Option::as_ref);
                output.push_str(part(&text, group).unwrap_or_default());
            }
        } else {
            let found = Value::from_object(Match::new(&pattern.engine, &text, &groups));
            let part = interpreter.call_value(&replacement, Arguments::of(vec![found]), span, span)?;
            output.push_str(&values::text::display(&part));
        }
        interpreter.spend_bytes(whole.len())?;
        start = whole.end;
        made += 1;
    }
    output.push_str(text.get(start..).unwrap_or_default());
    let output = Value::from(output);
    Ok(if name == "subn" { values::tuple(vec![output, Value::from(made)]) } else { output })
}

/// Calls a function of `modules.re` by name.
pub fn call_function(interpreter: &mut Interpreter<'_>, name: &str, mut arguments: Arguments, span: Span) -> Eval {
    let flags = arguments.keyword.shift_remove("flags");
    let mut positional = arguments.positional.into_iter();
    let first = positional.next().or_else(|| arguments.keyword.shift_remove("pattern")).unwrap_or_default();
    let mut rest: Vec<Value> = positional.collect();
    // The flags may also come last.
    let expected = if matches!(name, "sub" | "subn" | "split") { 3 } else { usize::from(name != "compile") };
    let flags = match flags {
        Some(flags) => flags.as_i64(),
        None if rest.len() > expected => rest.pop().and_then(|flags| flags.as_i64()),
        None => Some(0),
    };
    let flags = flags.unwrap_or(0);
    if name == "escape" {
        return Ok(Value::from(regex::escape(&text_argument("re.escape", "pattern", &first)?)));
    }
    let arguments = Arguments { positional: rest, keyword: arguments.keyword };
    if let Some(pattern) = first.downcast_object::<Pattern>() {
        return if name == "compile" { Ok(first) } else { apply(interpreter, &pattern, name, arguments, span) };
    }
    let source = text_argument(&format!("re.{name}"), "pattern", &first)?;
    interpreter.spend_bytes(source.len())?;
    let pattern = Pattern::compile(&source, flags)?;
    if name == "compile" {
        return Ok(Value::from_object(pattern));
    }
    if !FUNCTIONS.contains(&name) {
        return fail(format!("`modules.re` has no function `{name}`"));
    }
    apply(interpreter, &pattern, name, arguments, span)
}
