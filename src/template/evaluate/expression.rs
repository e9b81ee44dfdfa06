//! Expressions: names, attributes, calls, filters and tests.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::ValueKind;

use crate::base::diagnostic::did_you_mean;
use crate::template::RenderError;
use crate::template::evaluate::arguments::Arguments;
use crate::template::evaluate::loops::LoopValue;
use crate::template::evaluate::{Interpreter, MacroValue, operators};
use crate::template::failure::{Eval, Failure, Stop, fail, reword};
use crate::template::functions::{self, Module, Native, Package};
use crate::template::syntax::{Argument, Comparison, Expression, ExpressionKind, Operator, Span};
use crate::template::values::{self, Dict, List, methods};

impl Interpreter<'_> {
    /// Evaluates an expression.
    pub fn evaluate(&mut self, expression: &Expression) -> Eval {
        self.spend(1).and_then(|()| self.evaluate_kind(expression)).map_err(|stop| self.placed(stop, expression.span))
    }

    fn evaluate_kind(&mut self, expression: &Expression) -> Eval {
        match &expression.kind {
            ExpressionKind::Name(name) => Ok(self.lookup(name)),
            ExpressionKind::Constant(value) => Ok(value.clone()),
            ExpressionKind::List(items) => Ok(List::value(self.evaluate_all(items)?)),
            ExpressionKind::Tuple(items) => Ok(values::tuple(self.evaluate_all(items)?)),
            ExpressionKind::Dict(pairs) => self.dict(pairs),
            ExpressionKind::Not(operand) => Ok(Value::from(!self.evaluate(operand)?.is_true())),
            ExpressionKind::Negate(operand) => {
                let value = self.evaluate(operand)?;
                operators::negate(&value)
            }
            ExpressionKind::And(left, right) => {
                let value = self.evaluate(left)?;
                if value.is_true() { self.evaluate(right) } else { Ok(value) }
            }
            ExpressionKind::Or(left, right) => {
                let value = self.evaluate(left)?;
                if value.is_true() { Ok(value) } else { self.evaluate(right) }
            }
            ExpressionKind::Binary(operator, left, right) => self.binary(*operator, left, right),
            ExpressionKind::Compare(first, rest) => self.compare(first, rest),
            ExpressionKind::Conditional(parts, otherwise) => {
                let (condition, value) = parts.as_ref();
                if self.evaluate(condition)?.is_true() {
                    return self.evaluate(value);
                }
                otherwise.as_ref().map_or(Ok(Value::UNDEFINED), |otherwise| self.evaluate(otherwise))
            }
            ExpressionKind::Filter(name, value, arguments) => {
                let value = value.as_ref().map_or(Ok(Value::UNDEFINED), |value| self.evaluate(value))?;
                self.filter(name, value, arguments)
            }
            ExpressionKind::Test(name, value, arguments) => self.test(name, value, arguments),
            ExpressionKind::Attribute(owner, name) => {
                let value = self.evaluate(owner)?;
                self.attribute(&value, name, owner.span)
            }
            ExpressionKind::Item(owner, key) => {
                let value = self.evaluate(owner)?;
                let key = self.evaluate(key)?;
                self.item(&value, &key, owner.span)
            }
            ExpressionKind::Slice(owner, [start, stop, step]) => {
                let value = self.evaluate(owner)?;
                let mut bound = |part: &Option<Box<Expression>>| -> Eval<Option<Value>> {
                    part.as_ref().map(|part| self.evaluate(part)).transpose()
                };
                let (start, stop, step) = (bound(start)?, bound(stop)?, bound(step)?);
                operators::slice(&value, start.as_ref(), stop.as_ref(), step.as_ref())
            }
            ExpressionKind::Call(..) => self.evaluate_call(expression, None),
        }
    }

    fn evaluate_all(&mut self, expressions: &[Expression]) -> Eval<Vec<Value>> {
        expressions.iter().map(|expression| self.evaluate(expression)).collect()
    }

    fn dict(&mut self, pairs: &[(Expression, Expression)]) -> Eval {
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let key_value = self.evaluate(key)?;
            methods::check_hashable(&key_value).map_err(|stop| self.placed(stop, key.span))?;
            entries.push((key_value, self.evaluate(value)?));
        }
        Ok(Dict::value(entries))
    }

    fn binary(&mut self, operator: Operator, left: &Expression, right: &Expression) -> Eval {
        let (left_value, right_value) = (self.evaluate(left)?, self.evaluate(right)?);
        if operator != Operator::Concatenate {
            for (value, operand) in [(&left_value, left), (&right_value, right)] {
                if value.is_undefined() {
                    return Err(self.placed(self.undefined(operand.span).into(), operand.span));
                }
            }
        }
        self.spend_bytes(operators::cost(operator, &left_value, &right_value))?;
        operators::binary(operator, &left_value, &right_value)
    }

    fn compare(&mut self, first: &Expression, rest: &[(Comparison, Expression)]) -> Eval {
        let mut left = self.evaluate(first)?;
        for (comparison, operand) in rest {
            let right = self.evaluate(operand)?;
            if matches!(comparison, Comparison::In | Comparison::NotIn) {
                self.spend(right.len().unwrap_or(0))?;
            }
            if !operators::compare(*comparison, &left, &right)? {
                return Ok(Value::from(false));
            }
            left = right;
        }
        Ok(Value::from(true))
    }

    /// The failure of using an undefined value; the span is that of the expression that has none.
    fn undefined(&self, span: Span) -> Failure {
        let Some(text) = self.source_text(span).map(str::to_owned) else {
            return Failure::new("jinja-undefined", "a value is undefined");
        };
        let failure = Failure::new("jinja-undefined", format!("`{text}` is undefined"));
        let names = self.library.names(self.host.package());
        let known = names.iter().map(String::as_str).chain(functions::NAMES.iter().copied());
        match did_you_mean(&text, known) {
            Some(candidate) if candidate != text => failure.with_hint(format!("did you mean `{candidate}`?")),
            _ => failure.with_hint("set it before, correct its spelling, or give a default with `| default(...)`"),
        }
    }

    /// Whether what is undefined here is left undefined: in the template's own text, while it is not executed.
    fn is_lenient(&self) -> bool {
        self.is_own_text() && self.host.is_lenient()
    }

    /// The use of an undefined value: a failure, unless it may be defined when the template is executed.
    fn use_undefined(&self, span: Span) -> Eval {
        if self.is_lenient() {
            return Ok(Value::UNDEFINED);
        }
        Err(self.placed(self.undefined(span).into(), span))
    }

    /// Tells the host of a failure that will come when the template is executed, and goes on without a value.
    pub fn foresee(&self, failure: Failure, span: Span) -> Value {
        if let Stop::Failure(failure) = self.placed(failure.into(), span)
            && let RenderError::Diagnostic(problem) = *failure.into_error()
        {
            self.host.foresee(*problem);
        }
        Value::UNDEFINED
    }

    /// `value.name`: an attribute, else an item.
    pub(super) fn attribute(&mut self, value: &Value, name: &str, owner: Span) -> Eval {
        if value.is_undefined() {
            return self.use_undefined(owner);
        }
        if let Some(module) = value.downcast_object_ref::<Module>() {
            return functions::module_attribute(self, module, name);
        }
        if let Some(package) = value.downcast_object_ref::<Package>() {
            return self.macro_of_package(package, name, owner);
        }
        Ok(value.get_attr(name).unwrap_or(Value::UNDEFINED))
    }

    fn macro_of_package(&mut self, package: &Package, name: &str, owner: Span) -> Eval {
        if let Some(value) = self.host.overridden(Some(&package.name), name) {
            return Ok(functions::constant(&value, true));
        }
        if let Some(found) = self.library.find(&package.name, name) {
            return Ok(Value::from_object(found.value()));
        }
        let failure = Failure::new("jinja-undefined", format!("package `{}` has no macro `{name}`", package.name));
        let names = self.library.names_of(&package.name);
        let failure = match did_you_mean(name, names.iter().map(String::as_str)) {
            Some(candidate) => failure.with_hint(format!("did you mean `{candidate}`?")),
            None => failure,
        };
        if self.is_lenient() { Ok(self.foresee(failure, owner)) } else { Err(failure.into()) }
    }

    fn item(&mut self, value: &Value, key: &Value, owner: Span) -> Eval {
        if value.is_undefined() {
            return self.use_undefined(owner);
        }
        if let (true, Some(name)) = (value.downcast_object_ref::<Module>().is_some(), key.as_str()) {
            return self.attribute(value, name, owner);
        }
        Ok(value.get_item(key).unwrap_or(Value::UNDEFINED))
    }

    /// Evaluates arguments.
    fn arguments(&mut self, arguments: &[Argument]) -> Eval<Arguments> {
        let mut evaluated = Arguments::default();
        for argument in arguments {
            match argument {
                Argument::Positional(expression) => evaluated.positional.push(self.evaluate(expression)?),
                Argument::Keyword(name, expression) => {
                    let value = self.evaluate(expression)?;
                    if evaluated.keyword.insert(Arc::clone(name), value).is_some() {
                        let stop = Failure::new("jinja-error", format!("argument `{name}` is given twice"));
                        return Err(self.placed(stop.into(), expression.span));
                    }
                }
                Argument::Splat(expression) => {
                    let value = self.evaluate(expression)?;
                    if let Some(items) = values::items_of(&value) {
                        evaluated.positional.extend(items);
                    } else {
                        let message = format!("`*` needs a list, not {}", self.describe(&value, expression.span));
                        return Err(self.placed(Failure::new("jinja-error", message).into(), expression.span));
                    }
                }
                Argument::KeywordSplat(expression) => {
                    let value = self.evaluate(expression)?;
                    let pairs = value.as_object().and_then(minijinja::value::DynObject::try_iter_pairs);
                    let Some(pairs) = pairs.filter(|_| value.kind() == ValueKind::Map) else {
                        let message = format!("`**` needs a dict, not {}", self.describe(&value, expression.span));
                        return Err(self.placed(Failure::new("jinja-error", message).into(), expression.span));
                    };
                    for (key, value) in pairs {
                        evaluated.keyword.insert(values::text::display(&key).into(), value);
                    }
                }
            }
        }
        Ok(evaluated)
    }

    /// Evaluates a call; `caller` is the body of a call block.
    pub(super) fn evaluate_call(&mut self, expression: &Expression, caller: Option<Value>) -> Eval {
        let ExpressionKind::Call(callee, arguments) = &expression.kind else {
            return self.evaluate(expression);
        };
        self.apply(expression, callee, arguments, caller).map_err(|stop| self.placed(stop, expression.span))
    }

    fn apply(
        &mut self,
        expression: &Expression,
        callee: &Expression,
        arguments: &[Argument],
        caller: Option<Value>,
    ) -> Eval {
        if let ExpressionKind::Attribute(owner, name) = &callee.kind {
            let value = self.evaluate(owner)?;
            if value.is_undefined() && !self.is_lenient() {
                return Err(self.placed(self.undefined(owner.span).into(), owner.span));
            }
            // What the arguments ask for is asked for all the same.
            let mut evaluated = self.arguments(arguments)?;
            if value.is_undefined() {
                // What has no value now may be the answer to a query then.
                return Ok(value);
            }
            if let Some(caller) = caller {
                evaluated.keyword.insert("caller".into(), caller);
            }
            return self.call_method(&value, name, evaluated, owner.span, expression.span);
        }
        let value = self.evaluate(callee)?;
        let mut evaluated = self.arguments(arguments)?;
        if let Some(caller) = caller {
            evaluated.keyword.insert("caller".into(), caller);
        }
        if value.is_undefined() {
            let failure = self.undefined(callee.span);
            if self.is_lenient() {
                return Ok(self.foresee(failure, callee.span));
            }
            return Err(self.placed(failure.into(), callee.span));
        }
        self.call_value(&value, evaluated, callee.span, expression.span)
    }

    /// Calls a value.
    pub fn call_value(&mut self, value: &Value, arguments: Arguments, callee: Span, span: Span) -> Eval {
        if let Some(called) = value.downcast_object::<MacroValue>() {
            return self.call_macro(&called, arguments, span);
        }
        if let Some(native) = value.downcast_object_ref::<Native>() {
            let run = native.run;
            let result = run(self, arguments, span)?;
            self.charge(&result)?;
            return Ok(result);
        }
        if let Some(module) = value.downcast_object_ref::<Module>() {
            return functions::call_module(self, module, arguments, span);
        }
        if let Some(result) = functions::call_constant(value) {
            return Ok(result);
        }
        if let Some(position) = value.downcast_object_ref::<LoopValue>() {
            let [items] = arguments.bind("loop", ["items"], 1)?;
            return self.recurse(position, &items.unwrap_or_default(), span);
        }
        match functions::call_joiner(value) {
            Some(text) => Ok(text),
            None => fail(format!("cannot call {}", self.describe(value, callee))),
        }
    }

    fn call_method(&mut self, value: &Value, name: &str, arguments: Arguments, owner: Span, span: Span) -> Eval {
        let is_own_lookup =
            value.downcast_object_ref::<Module>().is_some() || value.downcast_object_ref::<Package>().is_some();
        if is_own_lookup {
            let function = self.attribute(value, name, owner)?;
            if function.is_undefined() && self.is_lenient() {
                return Ok(function);
            }
            if function.is_undefined() {
                return fail(format!("{} has no function `{name}`", self.describe(value, owner)));
            }
            return self.call_value(&function, arguments, span, span);
        }
        if let Some(position) = value.downcast_object_ref::<LoopValue>() {
            return position.call_method(name, arguments);
        }
        self.spend_bytes(methods::cost(value))?;
        match methods::call(self, value, name, arguments, span)? {
            methods::Called::Value(result) => {
                self.charge(&result)?;
                Ok(result)
            }
            methods::Called::Unknown(arguments) => {
                let function = value.get_attr(name).unwrap_or(Value::UNDEFINED);
                if function.is_undefined() {
                    return fail(format!("{} has no method `{name}`", self.describe(value, owner)));
                }
                self.call_value(&function, arguments, span, span)
            }
        }
    }

    /// Pays for the size of a result.
    fn charge(&self, value: &Value) -> Eval<()> {
        match value.as_str() {
            Some(text) => self.spend_bytes(text.len()),
            None => Ok(()),
        }
    }

    fn filter(&mut self, name: &str, value: Value, arguments: &[Argument]) -> Eval {
        let arguments = self.arguments(arguments)?;
        self.spend_bytes(methods::cost(&value))?;
        let arguments = arguments.for_minijinja(Some(value));
        let fuel = self.library.settings.fuel;
        match self.state().apply_filter(name, &arguments) {
            Ok(result) => {
                let result = values::own(result);
                self.charge(&result)?;
                Ok(result)
            }
            Err(error) if error.kind() == minijinja::ErrorKind::UnknownFilter && error.detail().is_none() => {
                let failure = Failure::new("jinja-undefined", format!("there is no filter `{name}`"));
                Err(match did_you_mean(name, functions::filters::NAMES) {
                    Some(candidate) => failure.with_hint(format!("did you mean `{candidate}`?")).into(),
                    None => Stop::from(failure),
                })
            }
            Err(error) => {
                let mut failure = reword(&error, fuel);
                if failure.code == "jinja-error" {
                    failure.message = format!("filter `{name}`: {}", failure.message);
                }
                Err(failure.into())
            }
        }
    }

    /// Applies the filters of `{% filter … %}` and `{% set x | … %}` to a text.
    pub(super) fn filtered(&mut self, filter: &Expression, value: Value) -> Eval {
        let ExpressionKind::Filter(name, inner, arguments) = &filter.kind else {
            return self.evaluate(filter);
        };
        let value = match inner {
            Some(inner) => self.filtered(inner, value)?,
            None => value,
        };
        self.filter(name, value, arguments).map_err(|stop| self.placed(stop, filter.span))
    }

    fn test(&mut self, name: &str, value: &Expression, arguments: &[Argument]) -> Eval {
        let value = self.evaluate(value)?;
        let arguments = self.arguments(arguments)?;
        if name == "callable" {
            return Ok(Value::from(functions::is_callable(&value)));
        }
        let fuel = self.library.settings.fuel;
        match self.state().perform_test(name, &arguments.for_minijinja(Some(value))) {
            Ok(truth) => Ok(Value::from(truth)),
            Err(error) if error.kind() == minijinja::ErrorKind::UnknownTest && error.detail().is_none() => {
                Err(Failure::new("jinja-undefined", format!("there is no test `{name}`")).into())
            }
            Err(error) => Err(reword(&error, fuel).into()),
        }
    }
}
