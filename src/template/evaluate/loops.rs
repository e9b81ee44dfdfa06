//! The `loop` variable.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use crate::template::evaluate::arguments::Arguments;
use crate::template::failure::{Eval, fail};
use crate::template::syntax::ForLoop;

/// Where a loop is.
#[derive(Debug)]
pub struct LoopValue {
    items: Vec<Value>,
    index: AtomicUsize,
    depth: usize,
    recursion: Option<Arc<ForLoop>>,
    /// What `changed()` was last called with.
    last: Mutex<Option<Vec<Value>>>,
}

impl LoopValue {
    /// A loop over these items.
    pub fn new(items: Vec<Value>, depth: usize, recursion: Option<Arc<ForLoop>>) -> Arc<Self> {
        Arc::new(Self { items, index: AtomicUsize::new(0), depth, recursion, last: Mutex::new(None) })
    }

    /// Moves to an item.
    pub fn go_to(&self, index: usize) {
        self.index.store(index, Ordering::Relaxed);
    }

    /// The loop to run again for `loop(items)`.
    pub fn recursion(&self) -> Option<Arc<ForLoop>> {
        self.recursion.clone()
    }

    /// Depth of the recursion.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// `loop.cycle()` and `loop.changed()`.
    pub fn call_method(&self, name: &str, arguments: Arguments) -> Eval {
        let index = self.index.load(Ordering::Relaxed);
        match name {
            "cycle" => match arguments.positional.len() {
                0 => fail("`loop.cycle` needs at least one argument"),
                count => Ok(arguments.positional.get(index % count).cloned().unwrap_or_default()),
            },
            "changed" => {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                let has_changed = last.as_ref() != Some(&arguments.positional);
                *last = Some(arguments.positional);
                Ok(Value::from(has_changed))
            }
            _ => fail(format!("`loop` has no method `{name}`")),
        }
    }
}

impl Object for LoopValue {
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"])
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (index, length) = (self.index.load(Ordering::Relaxed), self.items.len());
        Some(match key.as_str()? {
            "index" => Value::from(index + 1),
            "index0" => Value::from(index),
            "revindex" => Value::from(length - index),
            "revindex0" => Value::from(length - index - 1),
            "first" => Value::from(index == 0),
            "last" => Value::from(index + 1 == length),
            "length" => Value::from(length),
            "depth" => Value::from(self.depth + 1),
            "depth0" => Value::from(self.depth),
            "previtem" => index.checked_sub(1).and_then(|at| self.items.get(at)).cloned().unwrap_or_default(),
            "nextitem" => self.items.get(index + 1).cloned().unwrap_or_default(),
            _ => return None,
        })
    }
}
