//! The evaluator: statements, scopes, macro calls. Expressions are in `expression`, arithmetic in `operators`.
//!
//! One [`Interpreter`] renders one template. It asks the [`Host`](crate::template::host::Host) and writes text with
//! its origin; it changes nothing outside.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use minijinja::{State, Value};

use crate::base::limits;
use crate::template::failure::{Eval, Failure, FailurePlace, Stop, fail, out_of_fuel};
use crate::template::functions;
use crate::template::host::SharedHost;
use crate::template::library::Library;
use crate::template::source_map::{CallSite, Traces, Written};
use crate::template::syntax::{ForLoop, MacroDefinition, Origin, Span, Statement, Target};
use crate::template::values::{self, Dict, Namespace, text};

pub mod arguments;
mod expression;
pub mod loops;
pub mod operators;

use arguments::Arguments;
use loops::LoopValue;

/// Nesting of macro calls from which a rendering goes on in a thread with a large stack.
const DEPTH_OF_OWN_STACK: usize = 12;

/// A function written in Rust.
pub type NativeFunction = fn(&mut Interpreter<'_>, Arguments, Span) -> Eval;

/// The variables of a block, and the block around it.
#[derive(Debug, Default)]
pub struct Scope {
    variables: Mutex<HashMap<Arc<str>, Value>>,
    outer: Option<Arc<Self>>,
}

impl Scope {
    /// A scope within another one.
    pub fn within(outer: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { variables: Mutex::default(), outer })
    }

    /// Sets a variable.
    pub fn set(&self, name: &Arc<str>, value: Value) {
        self.variables.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(name), value);
    }

    /// Finds a variable here or further out.
    fn get(&self, name: &str) -> Option<Value> {
        let mut scope = Some(self);
        while let Some(current) = scope {
            if let Some(value) = current.variables.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
                return Some(value.clone());
            }
            scope = current.outer.as_deref();
        }
        None
    }
}

/// A macro as a value.
#[derive(Debug)]
pub struct MacroValue {
    /// The macro.
    pub definition: Arc<MacroDefinition>,
    /// Its id, if it belongs to a package and not to a template.
    pub id: Option<Arc<str>>,
    /// Its package.
    pub package: Arc<str>,
    /// The scope that it was defined in. Weak, because that scope holds the macro.
    pub closure: Weak<Scope>,
}

impl minijinja::value::Object for MacroValue {
    fn repr(self: &Arc<Self>) -> minijinja::value::ObjectRepr {
        minijinja::value::ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let parameters = || self.definition.parameters.iter().map(|parameter| Value::from(parameter.name.as_ref()));
        match key.as_str()? {
            "name" => Some(Value::from(self.definition.name.as_ref())),
            "arguments" => Some(values::tuple(parameters().collect())),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "<Macro '{}'>", self.definition.name)
    }
}

/// Where the evaluation is.
#[derive(Debug, Clone)]
struct Frame {
    scope: Arc<Scope>,
    origin: Arc<Origin>,
    package: Arc<str>,
    call: Option<Arc<CallSite>>,
}

/// Renders one template.
pub struct Interpreter<'t> {
    /// The macros.
    pub library: &'t Library,
    /// Who answers.
    pub host: SharedHost,
    /// minijinja's state, for its filters and tests, and for the fuel.
    state: State<'t, 't>,
    frame: Frame,
    written: Written,
    traces: Traces,
    depth: usize,
    /// Ids of the macros that were called.
    pub called: BTreeSet<String>,
    /// Those that the template itself has called, in the order of the calls.
    pub called_itself: Vec<String>,
    /// Results kept by `store_result`.
    pub results: HashMap<String, Value>,
    /// Answers of the host that were asked for already.
    globals: HashMap<String, Value>,
    /// The variables whose values are being rendered, outermost first.
    variables: Vec<String>,
}

impl<'t> Interpreter<'t> {
    /// An interpreter for one rendering.
    pub fn new(library: &'t Library, host: SharedHost, origin: &Arc<Origin>) -> Self {
        let package = host.package().into();
        let frame = Frame { scope: Scope::within(None), origin: Arc::clone(origin), package, call: None };
        Self {
            library,
            host,
            state: library.environment().empty_state(),
            frame,
            written: Written::default(),
            traces: Traces::default(),
            depth: 0,
            called: BTreeSet::new(),
            called_itself: Vec::new(),
            results: HashMap::new(),
            globals: HashMap::new(),
            variables: Vec::new(),
        }
    }

    /// Sets a variable of the template.
    pub fn set(&self, name: &str, value: Value) {
        self.frame.scope.set(&name.into(), value);
    }

    /// Runs a template's statements and gives what they wrote.
    pub fn run(&mut self, body: &[Statement]) -> Result<Written, Failure> {
        match self.statements(body) {
            Ok(()) => Ok(std::mem::take(&mut self.written)),
            Err(Stop::Failure(failure)) => Err(*failure),
            Err(_) => Err(Failure::new("jinja-error", "`return` stands outside of a macro")),
        }
    }

    /// Runs something that is not a part of the template (a macro called by name).
    pub fn detached<T>(&mut self, run: impl FnOnce(&mut Self) -> Eval<T>) -> Result<T, Failure> {
        run(self).map_err(|stop| match stop {
            Stop::Failure(failure) => *failure,
            _ => Failure::new("jinja-error", "`return` stands outside of a macro"),
        })
    }

    /// Evaluates an expression that stands alone.
    pub fn run_expression(&mut self, expression: &crate::template::syntax::Expression) -> Result<Value, Failure> {
        self.detached(|interpreter| interpreter.evaluate(expression))
    }

    /// The place of a span in the current file.
    pub fn location(&self, span: Span) -> crate::base::source::Location {
        self.frame.origin.location(span)
    }

    /// minijinja's state.
    pub fn state(&mut self) -> &mut State<'t, 't> {
        &mut self.state
    }

    /// Pays for work.
    pub fn spend(&self, fuel: usize) -> Eval<()> {
        match self.state.consume_fuel(fuel as u64) {
            Ok(()) => Ok(()),
            Err(_) => Err(out_of_fuel(self.library.settings.fuel).into()),
        }
    }

    /// Pays for text of this length.
    pub fn spend_bytes(&self, bytes: usize) -> Eval<()> {
        self.spend(1 + bytes / 64)
    }

    /// Whether what is evaluated is the template's own text, and not that of a macro.
    fn is_own_text(&self) -> bool {
        self.frame.call.is_none() && self.variables.is_empty()
    }

    /// Whether a variable that is not set has no value until the template is executed.
    pub fn forgives_variables(&self) -> bool {
        self.host.is_lenient() && self.variables.is_empty()
    }

    /// Gives a failure its place, unless it has one.
    fn placed(&self, stop: Stop, span: Span) -> Stop {
        match stop {
            Stop::Failure(mut failure) => {
                if failure.place.is_none() {
                    failure.place = Some(FailurePlace {
                        location: self.frame.origin.location(span),
                        built_in: self.frame.origin.built_in,
                        call: self.frame.call.clone(),
                    });
                }
                Stop::Failure(failure)
            }
            other => other,
        }
    }

    fn statements(&mut self, body: &[Statement]) -> Eval<()> {
        for statement in body {
            self.statement(statement)?;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &Statement) -> Eval<()> {
        self.spend(1).map_err(|stop| self.placed(stop, statement.span()))?;
        match statement {
            Statement::Raw(text, span) => self.write_raw(text, *span).map_err(|stop| self.placed(stop, *span)),
            Statement::Emit(expression) => {
                let value = self.evaluate(expression)?;
                self.write_value(&value, expression.span).map_err(|stop| self.placed(stop, expression.span))
            }
            Statement::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if self.evaluate(condition)?.is_true() {
                        return self.statements(body);
                    }
                }
                self.statements(otherwise)
            }
            Statement::For(for_loop) => self.for_statement(for_loop),
            Statement::With(assignments, body) => {
                let mut bound = Vec::new();
                for (target, value) in assignments {
                    bound.push((target, self.evaluate(value)?));
                }
                self.in_scope(|interpreter| {
                    for (target, value) in bound {
                        interpreter.assign(target, value)?;
                    }
                    interpreter.statements(body)
                })
            }
            Statement::Set(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value)
            }
            Statement::SetBlock(target, filter, body) => {
                let mut value = self.captured(body)?;
                if let Some(filter) = filter {
                    value = self.filtered(filter, value)?;
                }
                self.assign(target, value)
            }
            Statement::Filter(filter, body) => {
                let captured = self.captured(body)?;
                let value = self.filtered(filter, captured)?;
                self.write_value(&value, filter.span)
            }
            Statement::Macro(definition) => {
                let (closure, package) = (Arc::downgrade(&self.frame.scope), Arc::clone(&self.frame.package));
                let value = MacroValue { definition: Arc::clone(definition), id: None, package, closure };
                self.frame.scope.set(&definition.name, Value::from_object(value));
                Ok(())
            }
            Statement::Call(call, definition) => {
                let (closure, package) = (Arc::downgrade(&self.frame.scope), Arc::clone(&self.frame.package));
                let caller = MacroValue { definition: Arc::clone(definition), id: None, package, closure };
                let value = self.evaluate_call(call, Some(Value::from_object(caller)))?;
                self.write_value(&value, call.span)
            }
            Statement::Do(expression) => self.evaluate(expression).map(|_| ()),
            Statement::Break => Err(Stop::Break),
            Statement::Continue => Err(Stop::Continue),
        }
    }

    fn write_raw(&mut self, text: &str, span: Span) -> Eval<()> {
        self.spend_bytes(text.len())?;
        // Text whose length changed on the way (never by minijinja's lexer) could not be mapped byte by byte.
        let exact = span.end - span.start == text.len();
        self.written.push(text, exact, &self.frame.origin, span, self.frame.call.as_ref());
        Ok(())
    }

    fn write_value(&mut self, value: &Value, span: Span) -> Eval<()> {
        let owned;
        let text = if let Some(text) = value.as_str() {
            text
        } else {
            owned = text::display(value);
            owned.as_str()
        };
        self.spend_bytes(text.len())?;
        match self.traces.find(text) {
            Some(segments) => self.written.push_traced(text, &segments),
            None => self.written.push(text, false, &self.frame.origin, span, self.frame.call.as_ref()),
        }
        Ok(())
    }

    /// Runs statements in a scope of their own.
    fn in_scope<T>(&mut self, run: impl FnOnce(&mut Self) -> Eval<T>) -> Eval<T> {
        let inner = Scope::within(Some(Arc::clone(&self.frame.scope)));
        let outer = std::mem::replace(&mut self.frame.scope, inner);
        let outcome = run(self);
        self.frame.scope = outer;
        outcome
    }

    /// Runs statements in a scope of their own and gives what they wrote as a text.
    fn captured(&mut self, body: &[Statement]) -> Eval {
        let outside = std::mem::take(&mut self.written);
        let outcome = self.in_scope(|interpreter| interpreter.statements(body));
        let inside = std::mem::replace(&mut self.written, outside);
        outcome?;
        Ok(Value::from(self.traces.remember(inside)))
    }

    /// Binds a value to the left side of an assignment.
    pub fn assign(&mut self, target: &Target, value: Value) -> Eval<()> {
        match target {
            Target::Name(name, _) => {
                self.frame.scope.set(name, value);
                Ok(())
            }
            Target::Attribute(owner, name, span) => {
                let owner_value = self.evaluate(owner)?;
                if let Some(namespace) = owner_value.downcast_object_ref::<Namespace>() {
                    namespace.set(name, value);
                    Ok(())
                } else {
                    let failure = Failure::new("jinja-error", format!("cannot set the attribute `{name}`"));
                    let hint = "only attributes of a `namespace()` can be set; use `update()` for a dict";
                    Err(self.placed(failure.with_hint(hint).into(), *span))
                }
            }
            Target::Unpack(targets, span) => {
                let items = values::items_of(&value).unwrap_or_default();
                if items.len() != targets.len() {
                    let message = format!(
                        "cannot unpack a {} of {} into {} names",
                        values::type_name(&value),
                        items.len(),
                        targets.len()
                    );
                    return Err(self.placed(Failure::new("jinja-error", message).into(), *span));
                }
                for (target, item) in targets.iter().zip(items) {
                    self.assign(target, item)?;
                }
                Ok(())
            }
        }
    }

    fn for_statement(&mut self, for_loop: &Arc<ForLoop>) -> Eval<()> {
        let items = self.evaluate(&for_loop.items)?;
        self.iterate(for_loop, &items, 0)
    }

    /// Runs a loop's body for each item; `depth` counts the recursion of a recursive loop.
    fn iterate(&mut self, for_loop: &Arc<ForLoop>, items: &Value, depth: usize) -> Eval<()> {
        let span = for_loop.items.span;
        let Some(mut items) = values::items_of(items) else {
            let message = format!("cannot loop over {}", self.describe(items, span));
            return Err(self.placed(Failure::new("jinja-error", message).into(), span));
        };
        self.spend(items.len()).map_err(|stop| self.placed(stop, span))?;
        if let Some(condition) = &for_loop.condition {
            let mut kept = Vec::new();
            for item in items {
                let is_wanted = self.in_scope(|interpreter| {
                    interpreter.assign(&for_loop.target, item.clone())?;
                    Ok(interpreter.evaluate(condition)?.is_true())
                })?;
                if is_wanted {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            return self.statements(&for_loop.otherwise);
        }
        let recursion = for_loop.recursive.then(|| Arc::clone(for_loop));
        let position = LoopValue::new(items.clone(), depth, recursion);
        let loop_value = Value::from_dyn_object(Arc::clone(&position));
        let loop_name: Arc<str> = "loop".into();
        for (index, item) in items.into_iter().enumerate() {
            position.go_to(index);
            let outcome = self.in_scope(|interpreter| {
                interpreter.frame.scope.set(&loop_name, loop_value.clone());
                interpreter.assign(&for_loop.target, item)?;
                interpreter.statements(&for_loop.body)
            });
            match outcome {
                Err(Stop::Break) => break,
                Ok(()) | Err(Stop::Continue) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// `loop(items)` of a recursive loop.
    fn recurse(&mut self, position: &LoopValue, items: &Value, span: Span) -> Eval {
        let Some(for_loop) = position.recursion() else {
            return fail("`loop()` needs a loop that is marked `recursive`");
        };
        self.deeper(span)?;
        let outside = std::mem::take(&mut self.written);
        let outcome = self.iterate(&for_loop, items, position.depth() + 1);
        let inside = std::mem::replace(&mut self.written, outside);
        self.depth -= 1;
        outcome?;
        Ok(Value::from(self.traces.remember(inside)))
    }

    fn deeper(&mut self, span: Span) -> Eval<()> {
        let limit = self.library.settings.recursion;
        if self.depth >= limit {
            let failure = Failure::new("jinja-limit", format!("macro calls are nested deeper than {limit}"))
                .with_hint("does a macro call itself without an end?");
            return Err(self.placed(failure.into(), span));
        }
        self.depth += 1;
        Ok(())
    }

    /// Calls a macro.
    pub fn call_macro(&mut self, called: &MacroValue, arguments: Arguments, span: Span) -> Eval {
        self.one_deeper(span, |interpreter| interpreter.enter_macro(called, arguments, span))
    }

    /// Runs what is one level deeper, in a thread with a large stack from a certain depth on: macros and texts may nest
    /// deeper than an ordinary stack allows.
    fn one_deeper(&mut self, span: Span, run: impl FnOnce(&mut Self) -> Eval + Send) -> Eval {
        self.deeper(span)?;
        let outcome = if self.depth == DEPTH_OF_OWN_STACK {
            std::thread::scope(|scope| {
                let builder = std::thread::Builder::new().stack_size(limits::PLANNER_STACK_BYTES);
                let spawned = builder.spawn_scoped(scope, || run(self));
                match spawned.map(std::thread::ScopedJoinHandle::join) {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(panic)) => std::panic::resume_unwind(panic),
                    Err(error) => fail(format!("cannot start a thread for deeply nested macros: {error}")),
                }
            })
        } else {
            run(self)
        };
        self.depth -= 1;
        outcome
    }

    fn enter_macro(&mut self, called: &MacroValue, arguments: Arguments, span: Span) -> Eval {
        let definition = &called.definition;
        if let Some(id) = &called.id {
            if !self.called.contains(id.as_ref()) {
                self.called.insert(id.to_string());
            }
            if self.frame.call.is_none() && !self.called_itself.iter().any(|known| known == id.as_ref()) {
                self.called_itself.push(id.to_string());
            }
        }
        // A macro that a template defines is a part of it: a failure within it needs no call stack to be understood,
        // but the chain is kept, for the order of the calls.
        let site = CallSite {
            name: definition.name.to_string(),
            location: self.frame.origin.location(span),
            built_in: self.frame.origin.built_in,
            outer: self.frame.call.clone(),
        };
        let inner = Frame {
            scope: Scope::within(called.closure.upgrade()),
            origin: Arc::clone(&definition.origin),
            package: Arc::clone(&called.package),
            call: Some(Arc::new(site)),
        };
        let bound = Self::bind(definition, arguments, &inner.scope);
        let unbound = match bound {
            Ok(unbound) => unbound,
            Err(stop) => return Err(self.placed(stop, span)),
        };
        let outer = std::mem::replace(&mut self.frame, inner);
        let outside = std::mem::take(&mut self.written);
        let outcome = self.defaults(definition, unbound).and_then(|()| self.statements(&definition.body));
        let inside = std::mem::replace(&mut self.written, outside);
        self.frame = outer;
        match outcome {
            Ok(()) => Ok(Value::from(self.traces.remember(inside))),
            // The body of a call block is no macro of its own: `return()` leaves the macro that calls it.
            Err(Stop::Return(value)) if called.id.is_some() || !definition.is_call_block() => Ok(value),
            Err(other) => Err(other),
        }
    }

    /// Puts the arguments of a call into the macro's scope; gives the indexes of the parameters that got none.
    fn bind(definition: &MacroDefinition, arguments: Arguments, scope: &Scope) -> Eval<Vec<usize>> {
        let name = &definition.name;
        let uses = |special: &str| definition.mentions.contains(special);
        let Arguments { positional, mut keyword } = arguments;
        let mut positional = positional.into_iter();
        let mut missing = Vec::new();
        for (index, parameter) in definition.parameters.iter().enumerate() {
            let by_name = keyword.shift_remove(parameter.name.as_ref());
            match (positional.next(), by_name) {
                (Some(_), Some(_)) => {
                    return fail(format!("macro `{name}` got its argument `{}` twice", parameter.name));
                }
                (Some(value), None) | (None, Some(value)) => scope.set(&parameter.name, value),
                (None, None) => missing.push(index),
            }
        }
        let surplus: Vec<Value> = positional.collect();
        if let Some(caller) = keyword.shift_remove("caller") {
            if !uses("caller") {
                return fail(format!("macro `{name}` cannot be used in a `call` block: it never calls `caller()`"));
            }
            scope.set(&"caller".into(), caller);
        }
        if uses("varargs") {
            scope.set(&"varargs".into(), values::tuple(surplus));
        } else if !surplus.is_empty() {
            let (most, given) = (definition.parameters.len(), definition.parameters.len() + surplus.len());
            return fail(format!("macro `{name}` takes at most {most} arguments, {given} were given"));
        }
        if uses("kwargs") {
            let pairs = keyword.into_iter().map(|(key, value)| (Value::from(key.as_ref()), value));
            scope.set(&"kwargs".into(), Dict::value(pairs));
        } else if let Some(unknown) = keyword.keys().next() {
            let names = definition.parameters.iter().map(|parameter| parameter.name.as_ref());
            let failure = Failure::new("jinja-error", format!("macro `{name}` has no argument `{unknown}`"));
            return Err(match crate::base::diagnostic::did_you_mean(unknown, names) {
                Some(candidate) => failure.with_hint(format!("did you mean `{candidate}`?")).into(),
                None => failure.into(),
            });
        }
        Ok(missing)
    }

    /// Gives the parameters without an argument their defaults, in order: one may use another.
    fn defaults(&mut self, definition: &MacroDefinition, missing: Vec<usize>) -> Eval<()> {
        for index in missing {
            let Some(parameter) = definition.parameters.get(index) else { continue };
            let value = match &parameter.default {
                Some(default) => self.evaluate(default)?,
                None => Value::UNDEFINED,
            };
            self.frame.scope.set(&parameter.name, value);
        }
        Ok(())
    }

    /// Renders a text as a template within this one.
    pub fn render_inline(&mut self, text: &str, span: Span) -> Eval {
        let origin = Arc::new(Origin {
            file: Arc::clone(&self.frame.origin.file),
            base: crate::template::syntax::Base::Whole(self.frame.origin.location(span).range),
            built_in: self.frame.origin.built_in,
        });
        let template = crate::template::syntax::parse_template(text, &origin).map_err(|diagnostic| {
            let mut failure = Failure::new(diagnostic.code, diagnostic.message.clone());
            failure.diagnostic = Some(diagnostic);
            Stop::from(failure)
        })?;
        let outer_origin = std::mem::replace(&mut self.frame.origin, origin);
        let outcome = self.one_deeper(span, |interpreter| interpreter.captured(&template.body));
        self.frame.origin = outer_origin;
        outcome
    }

    /// Renders the value of a variable where it is asked for. It sees what every template of the host's package sees,
    /// and no name that the template or the macro around it has set.
    pub fn render_variable(&mut self, name: &str, text: &str, span: Span) -> Eval {
        if self.variables.iter().any(|outer| outer == name) {
            let message = format!("the value of the variable `{name}` asks for itself");
            return Err(self.placed(Failure::new("jinja-limit", message).into(), span));
        }
        self.variables.push(name.to_owned());
        let (scope, package) = (Scope::within(None), self.host.package().into());
        let outer_scope = std::mem::replace(&mut self.frame.scope, scope);
        let outer_package = std::mem::replace(&mut self.frame.package, package);
        let outcome = self.render_inline(text, span);
        self.frame.scope = outer_scope;
        self.frame.package = outer_package;
        self.variables.pop();
        outcome.map_err(|stop| match stop {
            Stop::Failure(mut failure) => {
                let within = format!("in the value of the variable `{name}`: ");
                failure.message.insert_str(0, &within);
                if let Some(diagnostic) = &mut failure.diagnostic {
                    diagnostic.message.insert_str(0, &within);
                }
                Stop::Failure(failure)
            }
            other => other,
        })
    }

    /// The value of a name: a variable, a macro, a function, or what the host knows.
    pub fn lookup(&mut self, name: &str) -> Value {
        if let Some(value) = self.frame.scope.get(name) {
            return value;
        }
        if let Some(value) = self.host.overridden(None, name) {
            let function = self.library.resolve(self.host.package(), name).is_some() || functions::is_function(name);
            return functions::constant(&value, function);
        }
        let package = self.host.package();
        if let Some(found) = self.library.resolve(package, name) {
            return Value::from_object(found.value());
        }
        if self.library.has_package(name) {
            return functions::package(name);
        }
        if let Some(value) = functions::global(name) {
            return value;
        }
        if let Some(value) = self.globals.get(name) {
            return value.clone();
        }
        if let Some(value) = functions::host_global(&self.host, name) {
            self.globals.insert(name.to_owned(), value.clone());
            return value;
        }
        // dbt makes packages qualify even their own macros; ours may do without.
        if let Some(found) = self.library.find(&self.frame.package, name) {
            return Value::from_object(found.value());
        }
        Value::UNDEFINED
    }

    /// How a message names a value: by the text that stands for it and its type.
    fn describe(&self, value: &Value, span: Span) -> String {
        let kind = values::a_type(value);
        match self.source_text(span) {
            Some(text) => format!("`{text}` ({kind})"),
            None => kind,
        }
    }

    /// The text of a span, if it is short enough for a message.
    fn source_text(&self, span: Span) -> Option<&str> {
        let location = self.frame.origin.location(span);
        if matches!(self.frame.origin.base, crate::template::syntax::Base::Whole(_)) {
            return None;
        }
        let text = self.frame.origin.file.text.get(location.range)?;
        (text.len() <= 60 && !text.contains('\n') && !text.is_empty()).then_some(text)
    }
}
