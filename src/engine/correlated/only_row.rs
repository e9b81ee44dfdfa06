//! The value of a subquery's only row, which may not be there.

use std::sync::Arc;

use datafusion::arrow::array::{Array as _, ArrayRef, AsArray as _, new_null_array};
use datafusion::arrow::compute::{is_null, nullif};
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result as EngineResult, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// The function of this module.
pub(super) fn only_row() -> ScalarUDF {
    ScalarUDF::new_from_impl(OnlyRow { signature: Signature::any(1, Volatility::Immutable) })
}

/// The value of a subquery's row, given with the number of its rows; more than one is an error.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OnlyRow {
    signature: Signature,
}

impl ScalarUDFImpl for OnlyRow {
    fn name(&self) -> &'static str {
        "__only_row"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> EngineResult<DataType> {
        match types {
            [DataType::Struct(fields)] if fields.len() == 2 => Ok(fields[0].data_type().clone()),
            _ => exec_err!("a subquery's row was expected"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        let rows = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(rows) = rows.first().and_then(|rows| rows.as_struct_opt()) else {
            return Ok(ColumnarValue::Array(new_null_array(args.return_field.data_type(), args.number_rows)));
        };
        let counts = rows.column(1).as_primitive::<Int64Type>();
        let is_there = |place: usize| rows.is_valid(place) && counts.is_valid(place);
        if (0..rows.len()).any(|place| is_there(place) && counts.value(place) > 1) {
            return exec_err!("a subquery that stands for one value has more than one row");
        }
        let value: ArrayRef = Arc::clone(rows.column(0));
        Ok(ColumnarValue::Array(if rows.null_count() > 0 { nullif(&value, &is_null(rows)?)? } else { value }))
    }
}

/// The value that it is given, which may be null for all that is known.
pub(super) fn nullable() -> ScalarUDF {
    // Of a constant the engine would say again that it is never null.
    ScalarUDF::new_from_impl(Nullable { signature: Signature::any(1, Volatility::Volatile) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Nullable {
    signature: Signature,
}

impl ScalarUDFImpl for Nullable {
    fn name(&self) -> &'static str {
        "__nullable"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> EngineResult<DataType> {
        types.first().cloned().map_or_else(|| exec_err!("a value was expected"), Ok)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> EngineResult<ColumnarValue> {
        args.args.into_iter().next().map_or_else(|| exec_err!("a value was expected"), Ok)
    }
}
