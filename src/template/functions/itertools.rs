//! `modules.itertools`: those functions of Python's module that dbt gives to templates and that come to an end. Each
//! gives a list where Python gives an iterator.

use minijinja::Value;

use crate::template::evaluate::arguments::Arguments;
use crate::template::evaluate::{Interpreter, NativeFunction};
use crate::template::failure::{Eval, fail};
use crate::template::functions::native;
use crate::template::syntax::Span;
use crate::template::values::{self, List};

/// The names of the functions.
pub(super) const FUNCTIONS: &[&str] = &[
    "chain",
    "combinations",
    "combinations_with_replacement",
    "compress",
    "islice",
    "permutations",
    "product",
    "repeat",
    "zip_longest",
];

/// A function of `modules.itertools`; `chain` is a module of its own, because it has a function itself.
pub(super) fn attribute(name: &str) -> Option<Value> {
    let run: NativeFunction = match name {
        "combinations" => |i, arguments, _| chosen(i, "combinations", arguments, follows),
        "combinations_with_replacement" => {
            |i, arguments, _| chosen(i, "combinations_with_replacement", arguments, repeats)
        }
        "compress" => compress,
        "islice" => islice,
        "permutations" => |i, arguments, _| chosen(i, "permutations", arguments, differs),
        "product" => product,
        "repeat" => repeat,
        "zip_longest" => zip_longest,
        _ => return None,
    };
    FUNCTIONS.iter().find(|known| **known == name).map(|name| native(name, run))
}

/// `chain(one, other)`.
#[expect(clippy::needless_pass_by_value, reason = "all functions of templates are called alike")]
pub(super) fn chain(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    chained(interpreter, &arguments.positional)
}

/// `chain.from_iterable(lists)`.
pub(super) fn chain_from(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [lists] = arguments.bind("chain.from_iterable", ["iterable"], 1)?;
    chained(interpreter, &items("chain.from_iterable", &lists.unwrap_or_default())?)
}

fn chained(interpreter: &Interpreter<'_>, lists: &[Value]) -> Eval {
    let mut all = Vec::new();
    for list in lists {
        let items = items("chain", list)?;
        interpreter.spend(items.len())?;
        all.extend(items);
    }
    Ok(List::value(all))
}

fn items(function: &str, value: &Value) -> Eval<Vec<Value>> {
    match values::items_of(value) {
        Some(items) if !value.is_undefined() => Ok(items),
        _ => fail(format!("`itertools.{function}` needs something with items, not {}", values::a_type(value))),
    }
}

/// A number that counts something; `None` stands for the default.
fn count(function: &str, value: Option<Value>) -> Eval<Option<usize>> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
    match value.as_i64().filter(|_| value.is_integer()).and_then(|number| usize::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => fail(format!("`itertools.{function}` needs a whole number that is not negative, not `{value}`")),
    }
}

fn product(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, _span: Span) -> Eval {
    let times = count("product", arguments.keyword.shift_remove("repeat"))?.unwrap_or(1);
    let lists = arguments.positional.iter().map(|value| items("product", value)).collect::<Eval<Vec<_>>>()?;
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for _ in 0..times {
        for list in &lists {
            interpreter.spend(1 + rows.len().saturating_mul(list.len()))?;
            let longer = |row: &Vec<Value>| -> Vec<Vec<Value>> {
                list.iter().map(|item| row.iter().chain([item]).cloned().collect()).collect()
            };
            rows = rows.iter().flat_map(longer).collect();
        }
    }
    Ok(List::value(rows.into_iter().map(values::tuple).collect()))
}

/// Whether a place may stand behind those that were chosen.
type Rule = fn(&[usize], usize) -> bool;

fn follows(chosen: &[usize], place: usize) -> bool {
    chosen.last().is_none_or(|last| *last < place)
}

fn repeats(chosen: &[usize], place: usize) -> bool {
    chosen.last().is_none_or(|last| *last <= place)
}

fn differs(chosen: &[usize], place: usize) -> bool {
    !chosen.contains(&place)
}

fn chosen(interpreter: &Interpreter<'_>, function: &str, arguments: Arguments, rule: Rule) -> Eval {
    let required = if function == "permutations" { 1 } else { 2 };
    let [list, size] = arguments.bind(function, ["iterable", "r"], required)?;
    let list = items(function, &list.unwrap_or_default())?;
    let size = count(function, size)?.unwrap_or(list.len());
    let mut rows: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..size {
        interpreter.spend(1 + rows.len().saturating_mul(list.len()))?;
        let longer = |row: &Vec<usize>| -> Vec<Vec<usize>> {
            let places = (0..list.len()).filter(|place| rule(row, *place));
            places.map(|place| row.iter().copied().chain([place]).collect()).collect()
        };
        rows = rows.iter().flat_map(longer).collect();
    }
    let row = |places: Vec<usize>| values::tuple(places.iter().filter_map(|place| list.get(*place)).cloned().collect());
    Ok(List::value(rows.into_iter().map(row).collect()))
}

fn compress(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [data, selectors] = arguments.bind("compress", ["data", "selectors"], 2)?;
    let wanted = items("compress", &selectors.unwrap_or_default())?;
    let data = items("compress", &data.unwrap_or_default())?.into_iter();
    Ok(List::value(data.zip(wanted).filter(|(_, wanted)| wanted.is_true()).map(|(item, _)| item).collect()))
}

fn islice(_interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [list, first, second, step] = arguments.bind("islice", ["iterable", "start", "stop", "step"], 2)?;
    let list = items("islice", &list.unwrap_or_default())?;
    let (first, step) = (count("islice", first)?, count("islice", step)?.unwrap_or(1));
    let (start, stop) = match second {
        None => (0, first),
        Some(second) => (first.unwrap_or(0), count("islice", Some(second))?),
    };
    if step == 0 {
        return fail("`itertools.islice` needs a step of at least 1");
    }
    let length = stop.unwrap_or(list.len()).saturating_sub(start);
    Ok(List::value(list.into_iter().skip(start).take(length).step_by(step).collect()))
}

fn repeat(interpreter: &mut Interpreter<'_>, arguments: Arguments, _span: Span) -> Eval {
    let [value, times] = arguments.bind("repeat", ["object", "times"], 2)?;
    let times = count("repeat", times)?.unwrap_or(0);
    interpreter.spend(times)?;
    Ok(List::value(vec![value.unwrap_or_default(); times]))
}

fn zip_longest(interpreter: &mut Interpreter<'_>, mut arguments: Arguments, _span: Span) -> Eval {
    let filler = arguments.keyword.shift_remove("fillvalue").unwrap_or_else(|| Value::from(()));
    let lists = arguments.positional.iter().map(|value| items("zip_longest", value)).collect::<Eval<Vec<_>>>()?;
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    interpreter.spend(longest.saturating_mul(lists.len()))?;
    let row = |at: usize| {
        values::tuple(lists.iter().map(|list| list.get(at).cloned().unwrap_or_else(|| filler.clone())).collect())
    };
    Ok(List::value((0..longest).map(row).collect()))
}
