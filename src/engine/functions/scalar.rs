//! The adapter that turns a plain function over arrays into a scalar function of the engine, and the helpers by which
//! kernels read their arguments. It knows no function.

use std::any::type_name;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

/// The types that a call's arguments are cast to, from the types they have.
pub(super) type Coerce = fn(&[DataType]) -> Option<Vec<DataType>>;
/// The type of a call's result, from the types of its arguments after the casts and from its literals.
pub(super) type Output = fn(&Planned<'_>) -> Result<DataType>;
/// The computation over one batch.
pub(super) type Kernel = fn(&Call<'_>) -> Result<ArrayRef>;
/// An expression of the engine that means the same as the call and that the optimizer knows, if there is one.
pub(super) type Rewrite = fn(&[Expr], &SimplifyContext) -> Result<Option<Expr>>;

/// What is known of a call when its query is planned.
pub(super) struct Planned<'a> {
    pub(super) name: &'static str,
    pub(super) types: Vec<DataType>,
    pub(super) literals: &'a [Option<&'a ScalarValue>],
}

impl Planned<'_> {
    /// The type of argument `index`, or the null type if there is no such argument.
    pub(super) fn data_type(&self, index: usize) -> DataType {
        self.types.get(index).cloned().unwrap_or(DataType::Null)
    }

    /// The literal text of argument `index`, or an error which says that it has to be one.
    pub(super) fn text(&self, index: usize, role: &str) -> Result<&str> {
        if let Some(Some(text)) = self.literals.get(index).copied().flatten().and_then(ScalarValue::try_as_str) {
            Ok(text)
        } else {
            plan_err!("{}: the {role} must be a text literal", self.name)
        }
    }

    /// The literal integer of argument `index`, or an error which says that it has to be one.
    pub(super) fn integer(&self, index: usize, role: &str) -> Result<i64> {
        match self.literals.get(index).copied().flatten() {
            Some(ScalarValue::Int64(Some(value))) => Ok(*value),
            Some(other) if other.data_type().is_integer() && !other.is_null() => {
                if let ScalarValue::Int64(Some(value)) = other.cast_to(&DataType::Int64)? {
                    Ok(value)
                } else {
                    plan_err!("{}: the {role} must be an integer literal", self.name)
                }
            }
            _ => plan_err!("{}: the {role} must be an integer literal", self.name),
        }
    }
}

/// One call of a kernel. Arguments that are the same for each row stay scalars until a kernel asks for an array.
pub(super) struct Call<'a> {
    pub(super) name: &'static str,
    pub(super) args: &'a [ColumnarValue],
    pub(super) fields: &'a [FieldRef],
    pub(super) rows: usize,
    pub(super) output: &'a DataType,
    pub(super) options: &'a Arc<ConfigOptions>,
}

impl Call<'_> {
    /// How many arguments the call has.
    pub(super) fn len(&self) -> usize {
        self.args.len()
    }

    /// Argument `index` as an array with one value for each row.
    pub(super) fn array(&self, index: usize) -> Result<ArrayRef> {
        if let Some(value) = self.args.get(index) {
            value.to_array(self.rows)
        } else {
            internal_err!("{}: there is no argument {index}", self.name)
        }
    }

    /// All arguments as arrays.
    pub(super) fn arrays(&self) -> Result<Vec<ArrayRef>> {
        (0..self.len()).map(|index| self.array(index)).collect()
    }

    /// Argument `index`, which was cast to a string view when the query was planned.
    pub(super) fn text(&self, index: usize) -> Result<StringViewArray> {
        let array = self.array(index)?;
        if let Some(text) = array.as_string_view_opt() {
            Ok(text.clone())
        } else {
            internal_err!("{}: argument {index} is not text but {}", self.name, array.data_type())
        }
    }

    /// Argument `index`, which was cast to 64-bit integers when the query was planned.
    pub(super) fn integers(&self, index: usize) -> Result<Int64Array> {
        let array = self.array(index)?;
        if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
            Ok(integers.clone())
        } else {
            internal_err!("{}: argument {index} is not an integer but {}", self.name, array.data_type())
        }
    }

    /// The text of argument `index` if it is the same for each row.
    pub(super) fn literal(&self, index: usize) -> Option<&str> {
        match self.args.get(index) {
            Some(ColumnarValue::Scalar(value)) => value.try_as_str().flatten(),
            _ => None,
        }
    }

    /// The text of argument `index`, which must be the same for each row.
    pub(super) fn constant(&self, index: usize, role: &str) -> Result<&str> {
        if let Some(text) = self.literal(index) {
            Ok(text)
        } else {
            exec_err!("{}: the {role} must be a text literal", self.name)
        }
    }
}

/// Which rows have no null in any of the arrays.
pub(super) fn valid(arrays: &[&dyn Array]) -> Option<NullBuffer> {
    arrays.iter().fold(None, |all, array| NullBuffer::union(all.as_ref(), array.logical_nulls().as_ref()))
}

/// Calls `each` with each row number, or yields nothing where one of the arrays is null.
pub(super) fn strict<T, F: FnMut(usize) -> Result<T>>(
    rows: usize,
    arrays: &[&dyn Array],
    mut each: F,
) -> impl Iterator<Item = Result<Option<T>>> + use<T, F> {
    let valid = valid(arrays);
    (0..rows).map(move |row| match &valid {
        Some(valid) if valid.is_null(row) => Ok(None),
        _ => each(row).map(Some),
    })
}

/// A parsed argument that rarely changes from row to row: a zone, a pattern, a format.
pub(super) struct Remembered<T> {
    last: Option<(String, T)>,
}

impl<T> Remembered<T> {
    pub(super) fn new() -> Self {
        Self { last: None }
    }

    /// The parsed form of `text`, from `parse` unless `text` is that of the row before.
    pub(super) fn get(&mut self, text: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<&T> {
        if self.last.as_ref().is_none_or(|(last, _)| last != text) {
            self.last = Some((text.to_owned(), parse(text)?));
        }
        if let Some((_, parsed)) = &self.last { Ok(parsed) } else { internal_err!("nothing is remembered for {text}") }
    }
}

/// Parses `text`, with an error that names the function and the text.
pub(super) fn parse<T: FromStr>(name: &str, role: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| exec_datafusion_err!("{name}: '{text}' is not a valid {role}"))
}

/// A scalar function of the engine that is made of plain functions.
pub(super) struct Function {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    usage: &'static str,
    coerce: Coerce,
    output: Output,
    kernel: Kernel,
    rewrite: Option<Rewrite>,
    strict: bool,
    lazy: bool,
}

impl Function {
    /// An immutable and strict function: no side effects, and null if an argument is null.
    pub(super) fn new(name: &'static str, usage: &'static str, coerce: Coerce, output: Output, kernel: Kernel) -> Self {
        // The planner asks the signature, and not the casts, whether a call without arguments is allowed.
        let signature = match coerce(&[]) {
            Some(_) => Signature::nullary(Volatility::Immutable),
            None => Signature::user_defined(Volatility::Immutable),
        };
        Self {
            name,
            aliases: Vec::new(),
            signature,
            usage,
            coerce,
            output,
            kernel,
            rewrite: None,
            strict: true,
            lazy: false,
        }
    }

    /// Adds other names of the function.
    pub(super) fn aliases(mut self, aliases: &[&str]) -> Self {
        self.aliases = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        self
    }

    /// Adds the expression that the optimizer uses instead of the kernel.
    pub(super) fn rewrite(mut self, rewrite: Rewrite) -> Self {
        self.rewrite = Some(rewrite);
        self
    }

    /// Says that the function can give a value though an argument is null.
    pub(super) fn with_nulls(mut self) -> Self {
        self.strict = false;
        self
    }

    /// Says that not all arguments are evaluated for each row.
    pub(super) fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// Says that the function gives one value for a query, but another one for the next query.
    pub(super) fn stable(mut self) -> Self {
        self.signature.volatility = Volatility::Stable;
        self
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct(type_name::<Self>()).field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names are unique in the pack, so a function is what its name says.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if let Some(types) = (self.coerce)(types) {
            Ok(types)
        } else {
            let types: Vec<_> = types.iter().map(ToString::to_string).collect();
            plan_err!("{} is called as {}, but here with ({})", self.name, self.usage, types.join(", "))
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.output)(&Planned { name: self.name, types: types.to_vec(), literals: &[] })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let output = (self.output)(&Planned { name: self.name, types, literals: args.scalar_arguments })?;
        Ok(Arc::new(Field::new(self.name, output, true)))
    }

    /// Nothing is known about the values, but their type is: functions of the engine around this one compare the bounds
    /// with numbers of theirs, for which those without a type will not do.
    fn evaluate_bounds(&self, inputs: &[&Interval]) -> Result<Interval> {
        let types: Vec<DataType> = inputs.iter().map(|input| input.data_type()).collect();
        let typed = self.return_type(&types).and_then(|output| Interval::make_unbounded(&output));
        typed.or_else(|_| Interval::make_unbounded(&DataType::Null))
    }

    fn is_strict(&self) -> bool {
        self.strict
    }

    fn short_circuits(&self) -> bool {
        self.lazy
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call {
            name: self.name,
            args: &args.args,
            fields: &args.arg_fields,
            rows,
            output: args.return_field.data_type(),
            options: &args.config_options,
        };
        let result = (self.kernel)(&call)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let rewritten = match self.rewrite {
            Some(rewrite) => rewrite(&args, info)?,
            None => None,
        };
        Ok(rewritten.map_or(ExprSimplifyResult::Original(args), ExprSimplifyResult::Simplified))
    }
}

/// Whether values of the type are text, also when they are stored in a dictionary.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_text(value),
        other => other.is_string() || other.is_null(),
    }
}

/// The string type of all kernels, for an argument that is text.
pub(super) fn text(data_type: &DataType) -> Option<DataType> {
    is_text(data_type).then_some(DataType::Utf8View)
}

/// The types of a call with one argument, which is text.
pub(super) fn one_text(types: &[DataType]) -> Option<Vec<DataType>> {
    let [value] = types else { return None };
    Some(vec![text(value)?])
}

/// The type of a text that must be a literal: its own, because a literal under a cast is none to the planner.
pub(super) fn literal_text(data_type: &DataType) -> Option<DataType> {
    if data_type.is_string() { Some(data_type.clone()) } else { text(data_type) }
}

/// The integer type of all kernels, for an argument that is an integer. So is a decimal without digits behind the
/// point: the engine makes one of `row_number() over (…) - 1`.
pub(super) fn integer(data_type: &DataType) -> Option<DataType> {
    let is_whole = matches!(data_type, DataType::Decimal128(_, 0)) || data_type.is_integer();
    (is_whole || data_type.is_null()).then_some(DataType::Int64)
}
