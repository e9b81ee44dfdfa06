//! The methods of Python's built-in types, and the way to those of karat's own objects.

use minijinja::Value;
use minijinja::value::{DynObject, ValueKind};

use crate::template::evaluate::Interpreter;
use crate::template::evaluate::arguments::{Arguments, flag, text_argument};
use crate::template::evaluate::operators::{brace_format, compare, equal};
use crate::template::failure::{Eval, fail};
use crate::template::syntax::{Comparison, Span};
use crate::template::values::{self, Dict, List, Set, datetime, patterns, relation, table, text};

/// The outcome of a method call.
#[derive(Debug)]
pub enum Called {
    /// It was called.
    Value(Value),
    /// There is no such method; the arguments are given back.
    Unknown(Arguments),
}

/// Bytes to pay for before a method or filter works on a value.
pub fn cost(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.len().unwrap_or(0).saturating_mul(16), str::len)
}

/// Refuses keys that can change.
pub fn check_hashable(key: &Value) -> Eval<()> {
    let can_change = key.downcast_object_ref::<List>().is_some()
        || key.downcast_object_ref::<Dict>().is_some()
        || key.downcast_object_ref::<Set>().is_some();
    if can_change {
        return fail(format!("a {} cannot be a key, because it can change", values::type_name(key)));
    }
    Ok(())
}

/// Calls a method of a value.
pub fn call(
    interpreter: &mut Interpreter<'_>,
    value: &Value,
    name: &str,
    arguments: Arguments,
    span: Span,
) -> Eval<Called> {
    if let Some(content) = value.as_str() {
        return string(content, name, arguments);
    }
    if value.downcast_object_ref::<List>().is_some() {
        return list(value, name, arguments);
    }
    if value.downcast_object_ref::<Dict>().is_some() {
        return dict(value, name, arguments);
    }
    if let Some(members) = value.downcast_object_ref::<Set>() {
        return set(members, name, arguments);
    }
    if let Some(called) = datetime::call_method(value, name, &arguments)? {
        return Ok(Called::Value(called));
    }
    if let Some(called) = relation::call_method(value, name, &arguments)? {
        return Ok(Called::Value(called));
    }
    if let Some(called) = table::call_method(interpreter, value, name, &arguments)? {
        return Ok(Called::Value(called));
    }
    if let Some(called) = patterns::call_method(interpreter, value, name, &arguments, span)? {
        return Ok(Called::Value(called));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => sequence(value, name, arguments),
        ValueKind::Map => mapping(value, name, arguments),
        _ => Ok(Called::Unknown(arguments)),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it ends functions that can fail")]
fn done(value: impl Into<Value>) -> Eval<Called> {
    Ok(Called::Value(value.into()))
}

fn list_of_texts<'a>(parts: impl Iterator<Item = &'a str>) -> Value {
    List::value(parts.map(Value::from).collect())
}

fn string(content: &str, name: &str, arguments: Arguments) -> Eval<Called> {
    let function = format!("str.{name}");
    let test = |arguments: Arguments, test: fn(char) -> bool| -> Eval<Called> {
        let [] = arguments.bind(&function, [], 0)?;
        done(!content.is_empty() && content.chars().all(test))
    };
    match name {
        "upper" => done(content.to_uppercase()),
        "lower" | "casefold" => done(content.to_lowercase()),
        "capitalize" => done(capitalized(content)),
        "title" => done(title(content)),
        "swapcase" => done(content.chars().map(swapped).collect::<String>()),
        "strip" | "lstrip" | "rstrip" => {
            let [characters] = arguments.bind(&function, ["chars"], 0)?;
            let set = characters.as_ref().and_then(Value::as_str);
            let is_cut = |character: char| set.map_or(character.is_whitespace(), |set| set.contains(character));
            done(match name {
                "strip" => content.trim_matches(is_cut),
                "lstrip" => content.trim_start_matches(is_cut),
                _ => content.trim_end_matches(is_cut),
            })
        }
        "removeprefix" | "removesuffix" => {
            let [part] = arguments.bind(&function, ["text"], 1)?;
            let part = text_argument(&function, "text", &part.unwrap_or_default())?;
            let cut = if name == "removeprefix" { content.strip_prefix(&*part) } else { content.strip_suffix(&*part) };
            done(cut.unwrap_or(content))
        }
        "replace" => {
            let [old, new, count] = arguments.bind(&function, ["old", "new", "count"], 2)?;
            let old = text_argument(&function, "old", &old.unwrap_or_default())?;
            let new = text_argument(&function, "new", &new.unwrap_or_default())?;
            match count.and_then(|count| count.as_usize()) {
                Some(count) => done(content.replacen(&old, &new, count)),
                None => done(content.replace(&old, &new)),
            }
        }
        "split" | "rsplit" => split(content, name, &function, arguments),
        "splitlines" => {
            let [keep] = arguments.bind(&function, ["keepends"], 0)?;
            let keeps = flag(keep.as_ref(), false);
            let lines = content.split_inclusive('\n');
            done(list_of_texts(lines.map(|line| if keeps { line } else { line.trim_end_matches(['\n', '\r']) })))
        }
        "join" => {
            let [parts] = arguments.bind(&function, ["iterable"], 1)?;
            let parts = parts.unwrap_or_default();
            let Some(items) = values::items_of(&parts) else {
                return fail(format!("`{function}` needs a list, not {}", values::a_type(&parts)));
            };
            let mut joined = Vec::new();
            for item in items {
                match item.as_str() {
                    Some(item) => joined.push(item.to_owned()),
                    None => return fail(format!("`{function}` needs texts, and found {}", values::a_type(&item))),
                }
            }
            done(joined.join(content))
        }
        "startswith" | "endswith" => {
            let [part] = arguments.bind(&function, ["prefix"], 1)?;
            let part = part.unwrap_or_default();
            let candidates =
                if part.as_str().is_some() { vec![part] } else { values::items_of(&part).unwrap_or_default() };
            let matches = |candidate: &Value| match candidate.as_str() {
                Some(candidate) if name == "startswith" => content.starts_with(candidate),
                Some(candidate) => content.ends_with(candidate),
                None => false,
            };
            done(candidates.iter().any(matches))
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [part] = arguments.bind(&function, ["sub"], 1)?;
            let part = text_argument(&function, "sub", &part.unwrap_or_default())?;
            let at = if name.starts_with('r') { content.rfind(&*part) } else { content.find(&*part) };
            let position = at.map(|at| content.get(..at).unwrap_or_default().chars().count());
            match position {
                Some(position) => done(position),
                None if name.ends_with("find") => done(-1),
                None => fail(format!("the text does not contain `{part}`")),
            }
        }
        "count" => {
            let [part] = arguments.bind(&function, ["sub"], 1)?;
            let part = text_argument(&function, "sub", &part.unwrap_or_default())?;
            done(if part.is_empty() { content.chars().count() + 1 } else { content.matches(&*part).count() })
        }
        "partition" | "rpartition" => {
            let [separator] = arguments.bind(&function, ["sep"], 1)?;
            let separator = text_argument(&function, "sep", &separator.unwrap_or_default())?;
            let is_last = name == "rpartition";
            let parts = if is_last { content.rsplit_once(&*separator) } else { content.split_once(&*separator) };
            let parts = match parts {
                Some((before, after)) => [before, separator.as_str(), after],
                None if is_last => ["", "", content],
                None => [content, "", ""],
            };
            done(values::tuple(parts.map(Value::from).to_vec()))
        }
        "format" => done(brace_format(content, &arguments)?),
        "zfill" | "ljust" | "rjust" | "center" => pad(content, name, &function, arguments),
        "isdigit" | "isnumeric" | "isdecimal" => test(arguments, char::is_numeric),
        "isalpha" => test(arguments, char::is_alphabetic),
        "isalnum" => test(arguments, char::is_alphanumeric),
        "isspace" => test(arguments, char::is_whitespace),
        "isascii" => done(content.is_ascii()),
        "isupper" => done(content.chars().any(char::is_uppercase) && !content.chars().any(char::is_lowercase)),
        "islower" => done(content.chars().any(char::is_lowercase) && !content.chars().any(char::is_uppercase)),
        "isidentifier" => {
            let is_start = content.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
            done(is_start && content.chars().all(|character| character.is_alphanumeric() || character == '_'))
        }
        "encode" => done(content),
        _ => Ok(Called::Unknown(arguments)),
    }
}

fn pad(content: &str, name: &str, function: &str, arguments: Arguments) -> Eval<Called> {
    let [width, fill] = arguments.bind(function, ["width", "fillchar"], 1)?;
    let width = width.and_then(|width| width.as_usize()).unwrap_or(0);
    if width > 1_000_000 {
        return fail(format!("`{function}` cannot make a text of {width} characters"));
    }
    let fill = fill.as_ref().and_then(Value::as_str).unwrap_or(" ");
    let missing = width.saturating_sub(content.chars().count());
    done(match name {
        "zfill" => {
            let (sign, digits) = content.split_at(usize::from(content.starts_with(['-', '+'])));
            format!("{sign}{}{digits}", "0".repeat(missing))
        }
        "ljust" => format!("{content}{}", fill.repeat(missing)),
        "rjust" => format!("{}{content}", fill.repeat(missing)),
        _ => format!("{}{content}{}", fill.repeat(missing / 2), fill.repeat(missing - missing / 2)),
    })
}

fn split(content: &str, name: &str, function: &str, arguments: Arguments) -> Eval<Called> {
    let [separator, most] = arguments.bind(function, ["sep", "maxsplit"], 0)?;
    let most = most.and_then(|most| most.as_usize());
    let separator = separator.filter(|separator| !separator.is_none());
    let Some(separator) = separator else {
        let words = content.split_whitespace();
        let Some(most) = most else { return done(list_of_texts(words)) };
        let mut parts = Vec::new();
        let mut rest = content.trim_start();
        while parts.len() < most
            && let Some((word, after)) = rest.split_once(char::is_whitespace)
        {
            parts.push(word);
            rest = after.trim_start();
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
        return done(list_of_texts(parts.into_iter()));
    };
    let separator = text_argument(function, "sep", &separator)?;
    if separator.is_empty() {
        return fail(format!("`{function}` needs a separator that is not empty"));
    }
    match (most, name) {
        (None, _) => done(list_of_texts(content.split(&*separator))),
        (Some(most), "split") => done(list_of_texts(content.splitn(most.saturating_add(1), &*separator))),
        (Some(most), _) => {
            let mut parts: Vec<&str> = content.rsplitn(most.saturating_add(1), &*separator).collect();
            parts.reverse();
            done(list_of_texts(parts.into_iter()))
        }
    }
}

fn capitalized(content: &str) -> String {
    let mut characters = content.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(characters.flat_map(char::to_lowercase)).collect()
}

fn title(content: &str) -> String {
    let mut output = String::new();
    let mut is_within = false;
    for character in content.chars() {
        if is_within {
            output.extend(character.to_lowercase());
        } else {
            output.extend(character.to_uppercase());
        }
        is_within = character.is_alphabetic();
    }
    output
}

fn swapped(character: char) -> char {
    if character.is_lowercase() {
        character.to_uppercase().next().unwrap_or(character)
    } else {
        character.to_lowercase().next().unwrap_or(character)
    }
}

/// The place of an index in a sequence of this length, counted from its end if negative.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let index = if index < 0 { index + length } else { index };
    usize::try_from(index).ok()
}

fn refuse_itself(container: &Value, item: &Value) -> Eval<()> {
    if values::holds(item, container) {
        return fail(format!("a {} cannot hold itself", values::type_name(container)));
    }
    Ok(())
}

fn list(value: &Value, name: &str, arguments: Arguments) -> Eval<Called> {
    let Some(items) = value.downcast_object_ref::<List>() else { return Ok(Called::Unknown(arguments)) };
    let function = format!("list.{name}");
    match name {
        "append" => {
            let [item] = arguments.bind(&function, ["object"], 1)?;
            let item = item.unwrap_or_default();
            refuse_itself(value, &item)?;
            items.lock().push(item);
            done(())
        }
        "extend" => {
            let [more] = arguments.bind(&function, ["iterable"], 1)?;
            let more = more.unwrap_or_default();
            let Some(added) = values::items_of(&more) else {
                return fail(format!("`{function}` needs a list, not {}", values::a_type(&more)));
            };
            for item in &added {
                refuse_itself(value, item)?;
            }
            items.lock().extend(added);
            done(())
        }
        "insert" => {
            let [index, item] = arguments.bind(&function, ["index", "object"], 2)?;
            let item = item.unwrap_or_default();
            refuse_itself(value, &item)?;
            let mut items = items.lock();
            let at = index.and_then(|index| index.as_i64()).map_or(0, |index| place(index, items.len()).unwrap_or(0));
            let at = at.min(items.len());
            items.insert(at, item);
            done(())
        }
        "pop" => {
            let [index] = arguments.bind(&function, ["index"], 0)?;
            let mut items = items.lock();
            let at = place(index.and_then(|index| index.as_i64()).unwrap_or(-1), items.len());
            match at.filter(|at| *at < items.len()) {
                Some(at) => done(items.remove(at)),
                None => fail(format!("`{function}` has nothing to take at that place")),
            }
        }
        "remove" => {
            let [item] = arguments.bind(&function, ["value"], 1)?;
            let item = item.unwrap_or_default();
            let at = items.items().iter().position(|candidate| equal(candidate, &item));
            match at {
                Some(at) => {
                    items.lock().remove(at);
                    done(())
                }
                None => fail(format!("the list does not contain {}", text::repr(&item))),
            }
        }
        "clear" => {
            items.lock().clear();
            done(())
        }
        "reverse" => {
            items.lock().reverse();
            done(())
        }
        "sort" => {
            let [key, reverse] = arguments.bind(&function, ["key", "reverse"], 0)?;
            if key.is_some_and(|key| !key.is_none()) {
                return fail(format!("`{function}` takes no `key` here; use the filter `sort(attribute=...)`"));
            }
            let mut sorted = items.items();
            // The comparison is checked first, because a sort cannot fail half-way.
            for pair in sorted.windows(2) {
                if let [left, right] = pair {
                    compare(Comparison::Less, left, right)?;
                }
            }
            sorted.sort();
            if flag(reverse.as_ref(), false) {
                sorted.reverse();
            }
            *items.lock() = sorted;
            done(())
        }
        "copy" => done(List::value(items.items())),
        _ => sequence(value, name, arguments),
    }
}

fn sequence(value: &Value, name: &str, arguments: Arguments) -> Eval<Called> {
    let function = format!("list.{name}");
    match name {
        "index" => {
            let [item] = arguments.bind(&function, ["value"], 1)?;
            let item = item.unwrap_or_default();
            let items = values::items_of(value).unwrap_or_default();
            match items.iter().position(|candidate| equal(candidate, &item)) {
                Some(at) => done(at),
                None => fail(format!("the list does not contain {}", text::repr(&item))),
            }
        }
        "count" => {
            let [item] = arguments.bind(&function, ["value"], 1)?;
            let item = item.unwrap_or_default();
            let items = values::items_of(value).unwrap_or_default();
            done(items.iter().filter(|candidate| equal(candidate, &item)).count())
        }
        _ => Ok(Called::Unknown(arguments)),
    }
}

fn dict(value: &Value, name: &str, arguments: Arguments) -> Eval<Called> {
    let Some(pairs) = value.downcast_object_ref::<Dict>() else { return Ok(Called::Unknown(arguments)) };
    let function = format!("dict.{name}");
    match name {
        "update" => {
            let Arguments { positional, keyword } = arguments;
            let mut changes = Vec::new();
            for source in positional {
                changes.extend(pairs_of(&function, &source)?);
            }
            changes.extend(keyword.into_iter().map(|(key, value)| (Value::from(key.as_ref()), value)));
            for (key, item) in &changes {
                check_hashable(key)?;
                refuse_itself(value, item)?;
            }
            pairs.lock().extend(changes);
            done(())
        }
        "setdefault" => {
            let [key, default] = arguments.bind(&function, ["key", "default"], 1)?;
            let key = key.unwrap_or_default();
            check_hashable(&key)?;
            let default = default.unwrap_or_else(|| Value::from(()));
            refuse_itself(value, &default)?;
            done(pairs.lock().entry(key).or_insert(default).clone())
        }
        "pop" => {
            let [key, default] = arguments.bind(&function, ["key", "default"], 1)?;
            let key = key.unwrap_or_default();
            match pairs.lock().shift_remove(&key).or(default) {
                Some(value) => done(value),
                None => fail(format!("the dict has no key {}", text::repr(&key))),
            }
        }
        "popitem" => match pairs.lock().pop() {
            Some((key, value)) => done(values::tuple(vec![key, value])),
            None => fail(format!("`{function}`: the dict is empty")),
        },
        "clear" => {
            pairs.lock().clear();
            done(())
        }
        "copy" => done(Dict::value(pairs.pairs())),
        _ => mapping(value, name, arguments),
    }
}

/// The pairs of a dict or of a list of pairs.
pub fn pairs_of(function: &str, source: &Value) -> Eval<Vec<(Value, Value)>> {
    if source.kind() == ValueKind::Map
        && let Some(pairs) = source.as_object().and_then(DynObject::try_iter_pairs)
    {
        return Ok(pairs.collect());
    }
    let Some(items) = values::items_of(source).filter(|_| source.as_str().is_none()) else {
        return fail(format!("`{function}` needs a dict or a list of pairs, not {}", values::a_type(source)));
    };
    items
        .iter()
        .map(|item| match values::items_of(item).as_deref() {
            Some([key, value]) => Ok((key.clone(), value.clone())),
            _ => fail(format!("`{function}` needs pairs of a key and a value")),
        })
        .collect()
}

fn mapping(value: &Value, name: &str, arguments: Arguments) -> Eval<Called> {
    let function = format!("dict.{name}");
    let pairs = || value.as_object().and_then(DynObject::try_iter_pairs).into_iter().flatten();
    match name {
        "keys" => {
            let [] = arguments.bind(&function, [], 0)?;
            done(List::value(pairs().map(|(key, _)| key).collect()))
        }
        "values" => {
            let [] = arguments.bind(&function, [], 0)?;
            done(List::value(pairs().map(|(_, value)| value).collect()))
        }
        "items" => {
            let [] = arguments.bind(&function, [], 0)?;
            done(List::value(pairs().map(|(key, value)| values::tuple(vec![key, value])).collect()))
        }
        "get" => {
            let [key, default] = arguments.bind(&function, ["key", "default"], 1)?;
            let found = value.get_item(&key.unwrap_or_default()).ok().filter(|found| !found.is_undefined());
            done(found.or(default).unwrap_or_else(|| Value::from(())))
        }
        // Under dbt results and their nodes are objects that give their dictionaries.
        "copy" | "to_dict" => done(Dict::value(pairs())),
        _ => Ok(Called::Unknown(arguments)),
    }
}

fn set(members: &Set, name: &str, arguments: Arguments) -> Eval<Called> {
    let function = format!("set.{name}");
    let other = |arguments: Arguments| -> Eval<Vec<Value>> {
        let [other] = arguments.bind(&function, ["other"], 1)?;
        let other = other.unwrap_or_default();
        match values::items_of(&other) {
            Some(items) => Ok(items),
            None => fail(format!("`{function}` needs a list or a set, not {}", values::a_type(&other))),
        }
    };
    match name {
        "add" => {
            let [item] = arguments.bind(&function, ["elem"], 1)?;
            let item = item.unwrap_or_default();
            check_hashable(&item)?;
            members.lock().insert(item, ());
            done(())
        }
        "remove" | "discard" => {
            let [item] = arguments.bind(&function, ["elem"], 1)?;
            let item = item.unwrap_or_default();
            if members.lock().shift_remove(&item).is_none() && name == "remove" {
                return fail(format!("the set does not contain {}", text::repr(&item)));
            }
            done(())
        }
        "update" => {
            let added = other(arguments)?;
            members.lock().extend(added.into_iter().map(|item| (item, ())));
            done(())
        }
        "union" => done(Set::value(members.items().into_iter().chain(other(arguments)?))),
        "intersection" => {
            let other = other(arguments)?;
            done(Set::value(members.items().into_iter().filter(|item| other.contains(item))))
        }
        "difference" => {
            let other = other(arguments)?;
            done(Set::value(members.items().into_iter().filter(|item| !other.contains(item))))
        }
        "symmetric_difference" => {
            let other = other(arguments)?;
            let mine = members.items();
            let left = mine.iter().filter(|item| !other.contains(item));
            let right = other.iter().filter(|item| !mine.contains(item));
            done(Set::value(left.chain(right).cloned()))
        }
        "issubset" => {
            let other = other(arguments)?;
            done(members.items().iter().all(|item| other.contains(item)))
        }
        "issuperset" => {
            let other = other(arguments)?;
            let mine = members.items();
            done(other.iter().all(|item| mine.contains(item)))
        }
        "copy" => done(Set::value(members.items())),
        _ => Ok(Called::Unknown(arguments)),
    }
}
