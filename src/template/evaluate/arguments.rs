//! The arguments of a call.

use std::sync::Arc;

use indexmap::IndexMap;
use minijinja::Value;
use minijinja::value::Kwargs;

use crate::base::diagnostic::did_you_mean;
use crate::template::failure::{Eval, Failure, fail};

/// Evaluated arguments.
#[derive(Debug, Clone, Default)]
pub struct Arguments {
    /// Those without a name.
    pub positional: Vec<Value>,
    /// Those with a name.
    pub keyword: IndexMap<Arc<str>, Value>,
}

impl Arguments {
    /// Arguments without names.
    pub fn of(positional: Vec<Value>) -> Self {
        Self { positional, keyword: IndexMap::new() }
    }

    /// Assigns the arguments to the parameters of a function written in Rust; the first `required` must be there.
    pub fn bind<const N: usize>(self, function: &str, names: [&str; N], required: usize) -> Eval<[Option<Value>; N]> {
        let given = self.positional.len();
        if given > N {
            let most = match N {
                0 => "no arguments".to_owned(),
                1 => "at most 1 argument".to_owned(),
                _ => format!("at most {N} arguments"),
            };
            return fail(format!("`{function}` takes {most}, {given} were given"));
        }
        let mut bound = [const { None }; N];
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.keyword {
            let Some(slot) = names.iter().position(|candidate| **candidate == *name).and_then(|at| bound.get_mut(at))
            else {
                let failure = Failure::new("jinja-error", format!("`{function}` has no argument `{name}`"));
                return Err(match did_you_mean(&name, names) {
                    Some(candidate) => failure.with_hint(format!("did you mean `{candidate}`?")).into(),
                    None => failure.into(),
                });
            };
            if slot.replace(value).is_some() {
                return fail(format!("`{function}` got its argument `{name}` twice"));
            }
        }
        let missing = bound.iter().zip(names).take(required).find(|(slot, _)| slot.is_none());
        if let Some((_, name)) = missing {
            return fail(format!("`{function}` needs its argument `{name}`"));
        }
        Ok(bound)
    }

    /// The arguments as minijinja's functions want them.
    pub fn for_minijinja(self, first: Option<Value>) -> Vec<Value> {
        let mut values: Vec<Value> = first.into_iter().chain(self.positional).collect();
        if !self.keyword.is_empty() {
            let pairs = self.keyword.iter().map(|(name, value)| (name.to_string(), value.clone()));
            values.push(Value::from(pairs.collect::<Kwargs>()));
        }
        values
    }
}

/// The text of an argument that must be one.
pub fn text_argument(function: &str, name: &str, value: &Value) -> Eval<String> {
    if let Some(text) = value.as_str() {
        Ok(text.to_owned())
    } else {
        let kind = crate::template::values::a_type(value);
        fail(format!("`{function}` needs a text as its argument `{name}`, not {kind}"))
    }
}

/// A flag: absent means `default`.
pub fn flag(value: Option<&Value>, default: bool) -> bool {
    value.map_or(default, Value::is_true)
}
