//! Operators with Python's meaning: arithmetic, comparison, slices and `%` formatting.

use std::cmp::Ordering;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::template::evaluate::arguments::Arguments;
use crate::template::failure::{Eval, Failure, fail};
use crate::template::syntax::{Comparison, Operator};
use crate::template::values::decimal::Decimal;
use crate::template::values::{self, Dict, List, Set, datetime, text};

/// A number of any kind.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// An integer.
    Integer(i128),
    /// A float.
    Float(f64),
    /// An exact decimal, from a query.
    Decimal(Decimal),
}

impl Number {
    /// The number of a value; a boolean is one, as in Python.
    pub fn of(value: &Value) -> Option<Self> {
        match value.kind() {
            ValueKind::Bool => Some(Self::Integer(i128::from(value.is_true()))),
            ValueKind::Number if value.is_integer() => i128::try_from(value.clone()).ok().map(Self::Integer),
            ValueKind::Number => f64::try_from(value.clone()).ok().map(Self::Float),
            _ => value.downcast_object_ref::<Decimal>().copied().map(Self::Decimal),
        }
    }

    /// The nearest float.
    #[expect(clippy::cast_precision_loss, reason = "Python does the same when an integer meets a float")]
    pub fn to_f64(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
            Self::Decimal(decimal) => decimal.to_f64(),
        }
    }

    /// Compares two numbers; `None` if one is not a number.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (Self::Float(_), _) | (_, Self::Float(_)) => self.to_f64().partial_cmp(&other.to_f64()),
            (left, right) => Some(left.to_decimal()?.compare(right.to_decimal()?)),
        }
    }

    fn to_decimal(self) -> Option<Decimal> {
        match self {
            Self::Integer(integer) => Some(Decimal::new(integer, 0)),
            Self::Decimal(decimal) => Some(decimal),
            Self::Float(_) => None,
        }
    }
}

/// Bytes that an operation may make, to be paid for before it is done.
pub fn cost(operator: Operator, left: &Value, right: &Value) -> usize {
    let size = |value: &Value| value.as_str().map_or_else(|| value.len().unwrap_or(0) * 16, str::len);
    match operator {
        Operator::Add | Operator::Concatenate => size(left).saturating_add(size(right)),
        Operator::Multiply => {
            let times = |value: &Value| value.as_i64().map_or(1, |times| usize::try_from(times).unwrap_or(0));
            size(left).saturating_mul(times(right)).max(size(right).saturating_mul(times(left)))
        }
        _ => 0,
    }
}

/// `-value`.
pub fn negate(value: &Value) -> Eval {
    match Number::of(value) {
        Some(Number::Integer(integer)) => {
            integer.checked_neg().map_or_else(overflow, |negated| Ok(Value::from(negated)))
        }
        Some(Number::Float(float)) => Ok(Value::from(-float)),
        Some(Number::Decimal(decimal)) => decimal.negated().map_or_else(overflow, |negated| Ok(negated.value())),
        None => match datetime::negate(value) {
            Some(negated) => Ok(negated),
            None => fail(format!("cannot negate {}", values::a_type(value))),
        },
    }
}

fn overflow<T>() -> Eval<T> {
    fail("the number is too large")
}

/// `left operator right`.
pub fn binary(operator: Operator, left: &Value, right: &Value) -> Eval {
    if operator == Operator::Concatenate {
        return Ok(Value::from(text::display(left) + &text::display(right)));
    }
    if let (Operator::Remainder, Some(format)) = (operator, left.as_str()) {
        return percent_format(format, right).map(Value::from);
    }
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return arithmetic(operator, left, right);
    }
    if let Some(result) = datetime::arithmetic(operator, left, right) {
        return result;
    }
    let combined = match operator {
        Operator::Add => add(left, right),
        Operator::Multiply => repeat(left, right).or_else(|| repeat(right, left)),
        Operator::Subtract => subtract(left, right),
        _ => None,
    };
    let impossible = || {
        let (left, right) = (values::type_name(left), values::type_name(right));
        let failure =
            Failure::new("jinja-error", format!("`{}` does not work between {left} and {right}", operator.as_str()));
        match operator {
            Operator::Add if left == "str" || right == "str" => {
                failure.with_hint("`~` joins values of any type as text").into()
            }
            _ => failure.into(),
        }
    };
    combined.ok_or_else(impossible)
}

fn add(left: &Value, right: &Value) -> Option<Value> {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        return Some(Value::from(format!("{left}{right}")));
    }
    if left.kind() != ValueKind::Seq && left.kind() != ValueKind::Iterable {
        return None;
    }
    if right.kind() != ValueKind::Seq && right.kind() != ValueKind::Iterable {
        return None;
    }
    let mut items = values::items_of(left)?;
    items.extend(values::items_of(right)?);
    Some(if left.is_tuple() { values::tuple(items) } else { List::value(items) })
}

fn subtract(left: &Value, right: &Value) -> Option<Value> {
    let left = left.downcast_object_ref::<Set>()?;
    let right = right.downcast_object_ref::<Set>()?.items();
    Some(Set::value(left.items().into_iter().filter(|item| !right.contains(item))))
}

fn repeat(what: &Value, times: &Value) -> Option<Value> {
    if !times.is_integer() {
        return None;
    }
    let times = usize::try_from(times.as_i64()?).unwrap_or(0);
    if let Some(text) = what.as_str() {
        return Some(Value::from(text.repeat(times)));
    }
    let items = (what.kind() == ValueKind::Seq).then(|| values::items_of(what))??;
    let all = items.iter().cycle().take(items.len() * times).cloned().collect();
    Some(if what.is_tuple() { values::tuple(all) } else { List::value(all) })
}

fn arithmetic(operator: Operator, left: Number, right: Number) -> Eval {
    match (left, right) {
        (Number::Integer(left), Number::Integer(right)) => integers(operator, left, right),
        (Number::Decimal(_), Number::Decimal(_) | Number::Integer(_)) | (Number::Integer(_), Number::Decimal(_)) => {
            let (Some(exact_left), Some(exact_right)) = (left.to_decimal(), right.to_decimal()) else {
                return floats(operator, left.to_f64(), right.to_f64());
            };
            let result = match operator {
                Operator::Add => exact_left.add(exact_right),
                Operator::Subtract => exact_left.subtract(exact_right),
                Operator::Multiply => exact_left.multiply(exact_right),
                _ => return floats(operator, left.to_f64(), right.to_f64()),
            };
            result.map_or_else(overflow, |decimal| Ok(decimal.value()))
        }
        _ => floats(operator, left.to_f64(), right.to_f64()),
    }
}

fn integers(operator: Operator, left: i128, right: i128) -> Eval {
    let by_zero = || fail("division by zero");
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide => return floats(operator, Number::Integer(left).to_f64(), Number::Integer(right).to_f64()),
        Operator::FloorDivide | Operator::Remainder if right == 0 => return by_zero(),
        Operator::FloorDivide => {
            let quotient = left.checked_div(right);
            quotient
                .map(|quotient| if left % right != 0 && (left < 0) != (right < 0) { quotient - 1 } else { quotient })
        }
        Operator::Remainder => {
            let remainder = left.checked_rem(right);
            remainder.map(|rest| if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
        }
        Operator::Power => match u32::try_from(right) {
            Ok(exponent) => left.checked_pow(exponent),
            Err(_) => return floats(operator, Number::Integer(left).to_f64(), Number::Integer(right).to_f64()),
        },
        Operator::Concatenate => None,
    };
    match result {
        Some(result) => Ok(Value::from(result)),
        None => overflow(),
    }
}

fn floats(operator: Operator, left: f64, right: f64) -> Eval {
    let is_division = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Remainder);
    if is_division && right == 0.0 {
        return fail("division by zero");
    }
    Ok(Value::from(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::FloorDivide => (left / right).floor(),
        Operator::Remainder => left - right * (left / right).floor(),
        Operator::Power => left.powf(right),
        Operator::Concatenate => f64::NAN,
    }))
}

/// Whether two values are equal, as Python compares them.
pub fn equal(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return left.compare(right) == Some(Ordering::Equal);
    }
    if left.kind() != right.kind() && !(is_sequence(left) && is_sequence(right)) {
        return false;
    }
    left == right
}

fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

/// `left comparison right`.
pub fn compare(comparison: Comparison, left: &Value, right: &Value) -> Eval<bool> {
    match comparison {
        Comparison::Equal => return Ok(equal(left, right)),
        Comparison::NotEqual => return Ok(!equal(left, right)),
        Comparison::In => return contains(right, left),
        Comparison::NotIn => return contains(right, left).map(|found| !found),
        _ => {}
    }
    let sign = match comparison {
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        _ => ">=",
    };
    let ordering = if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        left.compare(right)
    } else {
        let is_comparable = values::type_name(left) == values::type_name(right)
            && !matches!(left.kind(), ValueKind::Undefined | ValueKind::None | ValueKind::Map);
        if !is_comparable {
            let (left, right) = (values::type_name(left), values::type_name(right));
            return fail(format!("`{sign}` does not work between {left} and {right}"));
        }
        Some(left.cmp(right))
    };
    Ok(match comparison {
        Comparison::Less => ordering.is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        Comparison::Greater => ordering.is_some_and(Ordering::is_gt),
        _ => ordering.is_some_and(Ordering::is_ge),
    })
}

/// `item in container`.
fn contains(container: &Value, item: &Value) -> Eval<bool> {
    if container.is_undefined() {
        return Ok(false);
    }
    if let Some(text) = container.as_str() {
        return match item.as_str() {
            Some(part) => Ok(text.contains(part)),
            None => fail(format!("`in` needs a text to look for in a text, not {}", values::a_type(item))),
        };
    }
    if let Some(dict) = container.downcast_object_ref::<Dict>() {
        return Ok(dict.lock().contains_key(item));
    }
    match values::items_of(container) {
        Some(items) => Ok(items.iter().any(|candidate| equal(candidate, item))),
        None => fail(format!("`in` does not work on {}", values::a_type(container))),
    }
}

/// `value[start:stop:step]`.
pub fn slice(value: &Value, start: Option<&Value>, stop: Option<&Value>, step: Option<&Value>) -> Eval {
    let bound = |value: Option<&Value>| -> Eval<Option<i64>> {
        match value {
            None => Ok(None),
            Some(value) if value.is_none() => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => fail(format!("a slice needs whole numbers, not {}", values::a_type(value))),
            },
        }
    };
    let step = bound(step)?.unwrap_or(1);
    let (start, stop) = (bound(start)?, bound(stop)?);
    if step == 0 {
        return fail("the step of a slice must not be 0");
    }
    if value.is_undefined() {
        return fail("cannot take a slice of an undefined value");
    }
    let Some(items) = values::items_of(value).filter(|_| value.kind() != ValueKind::Map) else {
        return fail(format!("cannot take a slice of {}", values::a_type(value)));
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let clamp = |index: i64, low: i64, high: i64| {
        (if index < 0 { index.saturating_add(length) } else { index }).clamp(low, high)
    };
    let mut taken = Vec::new();
    let mut take = |index: i64| taken.extend(usize::try_from(index).ok().and_then(|at| items.get(at)).cloned());
    if step > 0 {
        let end = stop.map_or(length, |stop| clamp(stop, 0, length));
        let mut index = start.map_or(0, |start| clamp(start, 0, length));
        while index < end {
            take(index);
            index = index.saturating_add(step);
        }
    } else {
        let end = stop.map_or(-1, |stop| clamp(stop, -1, length - 1));
        let mut index = start.map_or(length - 1, |start| clamp(start, -1, length - 1));
        while index > end {
            take(index);
            index = index.saturating_add(step);
        }
    }
    if value.as_str().is_some() {
        return Ok(Value::from(taken.iter().filter_map(Value::as_str).collect::<String>()));
    }
    Ok(if value.is_tuple() { values::tuple(taken) } else { List::value(taken) })
}

/// Widest field of a format: wider ones are mistakes.
const WIDEST_FIELD: usize = 10_000;

/// `'%s of %d' % (a, b)`.
pub fn percent_format(format: &str, arguments: &Value) -> Eval<String> {
    let is_mapping = arguments.kind() == ValueKind::Map;
    let mut rest = if arguments.is_tuple() {
        values::items_of(arguments).unwrap_or_default().into_iter()
    } else {
        vec![arguments.clone()].into_iter()
    };
    let mut output = String::new();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            output.push(character);
            continue;
        }
        if characters.next_if_eq(&'%').is_some() {
            output.push('%');
            continue;
        }
        let mut key = None;
        if characters.next_if_eq(&'(').is_some() {
            key = Some(characters.by_ref().take_while(|character| *character != ')').collect::<String>());
        }
        let mut field = Field::default();
        while let Some(sign) = characters.next_if(|character| "-+ 0#".contains(*character)) {
            field.flags.push(sign);
        }
        field.width = digits(&mut characters).unwrap_or(0);
        if characters.next_if_eq(&'.').is_some() {
            field.precision = Some(digits(&mut characters).unwrap_or(0));
        }
        if field.width > WIDEST_FIELD || field.precision.is_some_and(|precision| precision > WIDEST_FIELD) {
            return fail(format!("a field of a format is wider than {WIDEST_FIELD}"));
        }
        let Some(conversion) = characters.next() else { return fail("the format ends within a field") };
        let value = match key {
            Some(key) if is_mapping => arguments.get_attr(&key).unwrap_or(Value::UNDEFINED),
            Some(_) => return fail("a format with names needs a dict"),
            None => match rest.next() {
                Some(value) => value,
                None => return fail("the format has more fields than there are values"),
            },
        };
        output.push_str(&field.render(conversion, &value)?);
    }
    if rest.next().is_some() && !is_mapping {
        return fail("there are more values than the format has fields");
    }
    Ok(output)
}

fn digits(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = characters.peek().and_then(|character| character.to_digit(10)) {
        characters.next();
        number = Some(number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize));
    }
    number
}

#[derive(Default)]
struct Field {
    flags: String,
    width: usize,
    precision: Option<usize>,
}

impl Field {
    fn render(&self, conversion: char, value: &Value) -> Eval<String> {
        let number = || match Number::of(value) {
            Some(number) => Ok(number),
            None => fail(format!("`%{conversion}` needs a number, not {}", values::a_type(value))),
        };
        let body = match conversion {
            's' | 'r' | 'a' => {
                let body = if conversion == 's' { text::display(value) } else { text::repr(value) };
                match self.precision {
                    Some(precision) => body.chars().take(precision).collect(),
                    None => body,
                }
            }
            'd' | 'i' | 'u' => match number()? {
                Number::Integer(integer) => integer.to_string(),
                other => format!("{:.0}", other.to_f64().trunc()),
            },
            'f' | 'F' => format!("{:.*}", self.precision.unwrap_or(6), number()?.to_f64()),
            'e' | 'E' => {
                let body = format!("{:.*e}", self.precision.unwrap_or(6), number()?.to_f64());
                let (mantissa, exponent) = body.split_once('e').unwrap_or((&body, "0"));
                let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
                format!("{mantissa}{conversion}{sign}{exponent:0>2}")
            }
            'g' | 'G' => text::float_text(number()?.to_f64()).trim_end_matches(".0").to_owned(),
            'x' | 'X' | 'o' => match number()? {
                Number::Integer(integer) if conversion == 'x' => format!("{integer:x}"),
                Number::Integer(integer) if conversion == 'X' => format!("{integer:X}"),
                Number::Integer(integer) => format!("{integer:o}"),
                _ => return fail(format!("`%{conversion}` needs a whole number")),
            },
            'c' => text::display(value).chars().take(1).collect(),
            other => return fail(format!("a format has no conversion `%{other}`")),
        };
        Ok(self.pad(body, !matches!(conversion, 's' | 'r' | 'a' | 'c')))
    }

    fn pad(&self, mut body: String, is_number: bool) -> String {
        if is_number && !body.starts_with('-') {
            if self.flags.contains('+') {
                body.insert(0, '+');
            } else if self.flags.contains(' ') {
                body.insert(0, ' ');
            }
        }
        let missing = self.width.saturating_sub(body.chars().count());
        if self.flags.contains('-') {
            return body + &" ".repeat(missing);
        }
        if self.flags.contains('0') && is_number {
            let at = usize::from(body.starts_with(['-', '+', ' ']));
            body.insert_str(at, &"0".repeat(missing));
            return body;
        }
        " ".repeat(missing) + &body
    }
}

/// `'{} of {name}'.format(a, name=b)`.
pub fn brace_format(format: &str, arguments: &Arguments) -> Eval<String> {
    let mut output = String::new();
    let mut next = 0;
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '{' if characters.next_if_eq(&'{').is_some() => output.push('{'),
            '}' if characters.next_if_eq(&'}').is_some() => output.push('}'),
            '}' => return fail("a single `}` stands in the format"),
            '{' => {
                let mut field = String::new();
                loop {
                    match characters.next() {
                        Some('}') => break,
                        Some(character) => field.push(character),
                        None => return fail("a `{` is never closed in the format"),
                    }
                }
                let (name, specification) = field.split_once(':').unwrap_or((&field, ""));
                let (name, conversion) = name.split_once('!').unwrap_or((name, "s"));
                let mut parts = name.split('.');
                let first = parts.next().unwrap_or("");
                let mut value = if first.is_empty() {
                    next += 1;
                    arguments.positional.get(next - 1).cloned()
                } else if let Ok(index) = first.parse::<usize>() {
                    arguments.positional.get(index).cloned()
                } else {
                    arguments.keyword.get(first).cloned()
                }
                .ok_or_else(|| Failure::new("jinja-error", format!("the format's field `{{{name}}}` has no value")))?;
                for part in parts {
                    value = value.get_attr(part).unwrap_or(Value::UNDEFINED);
                }
                if conversion == "r" {
                    value = Value::from(text::repr(&value));
                }
                output.push_str(&specified(specification, &value)?);
            }
            other => output.push(other),
        }
    }
    Ok(output)
}

/// One value by a format specification such as `>10`, `05d`, `,.2f`.
fn specified(specification: &str, value: &Value) -> Eval<String> {
    if specification.is_empty() {
        return Ok(text::display(value));
    }
    let mut characters = specification.chars().peekable();
    let mut ahead = characters.clone();
    let (first, second) = (ahead.next(), ahead.next());
    let is_alignment = |character: Option<char>| character.is_some_and(|character| "<>^=".contains(character));
    let mut fill = ' ';
    let mut alignment = None;
    if is_alignment(second) {
        fill = first.unwrap_or(' ');
        alignment = second;
        characters.nth(1);
    } else if is_alignment(first) {
        alignment = first;
        characters.next();
    }
    let sign = characters.next_if(|character| "+- ".contains(*character));
    if characters.next_if_eq(&'0').is_some() && alignment.is_none() {
        fill = '0';
        alignment = Some('=');
    }
    let width = digits(&mut characters).unwrap_or(0);
    let grouping = characters.next_if(|character| ",_".contains(*character));
    let precision = if characters.next_if_eq(&'.').is_some() { digits(&mut characters) } else { None };
    let conversion = characters.next();
    if characters.next().is_some()
        || width > WIDEST_FIELD
        || precision.is_some_and(|precision| precision > WIDEST_FIELD)
    {
        return fail(format!("cannot understand the format `{specification}`"));
    }
    let number = Number::of(value);
    let body = match (conversion, number) {
        (Some('f' | 'F'), Some(number)) => format!("{:.*}", precision.unwrap_or(6), number.to_f64()),
        (Some('%'), Some(number)) => format!("{:.*}%", precision.unwrap_or(6), number.to_f64() * 100.0),
        (Some('x'), Some(Number::Integer(integer))) => format!("{integer:x}"),
        (Some('b'), Some(Number::Integer(integer))) => format!("{integer:b}"),
        (None, Some(Number::Float(float))) if precision.is_some() => format!("{float:.*}", precision.unwrap_or(6)),
        (Some('d' | 's' | 'g') | None, _) => match precision {
            Some(precision) if number.is_none() => text::display(value).chars().take(precision).collect(),
            _ => text::display(value),
        },
        _ => return fail(format!("the format `{specification}` does not work on {}", values::a_type(value))),
    };
    let body = match grouping {
        Some(separator) => grouped(&body, separator),
        None => body,
    };
    let body = if sign == Some('+') && number.is_some() && !body.starts_with('-') { format!("+{body}") } else { body };
    let missing = width.saturating_sub(body.chars().count());
    let pad = |count: usize| fill.to_string().repeat(count);
    Ok(match alignment.unwrap_or(if number.is_some() { '>' } else { '<' }) {
        '<' => body + &pad(missing),
        '^' => pad(missing / 2) + &body + &pad(missing - missing / 2),
        '=' => {
            let at = usize::from(body.starts_with(['-', '+']));
            format!("{}{}{}", &body[..at], pad(missing), &body[at..])
        }
        _ => pad(missing) + &body,
    })
}

fn grouped(body: &str, separator: char) -> String {
    let (sign, unsigned) = body.strip_prefix('-').map_or(("", body), |rest| ("-", rest));
    let (whole, fraction) = unsigned.find('.').map_or((unsigned, ""), |at| unsigned.split_at(at));
    let mut output = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            output.push(separator);
        }
        output.push(digit);
    }
    format!("{sign}{output}{fraction}")
}
