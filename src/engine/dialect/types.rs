//! Names of types of other databases.

use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType, ExactNumberInfo, ObjectName, TimezoneInfo, Value};

/// Gives a type the name that the planner knows.
pub(super) fn adapt(data_type: &mut DataType) {
    let decimal = |precision, scale| DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale));
    let other = match data_type {
        DataType::Float64 => DataType::Double(ExactNumberInfo::None),
        DataType::Float32 => DataType::Real,
        DataType::Int64 => DataType::BigInt(None),
        DataType::Int32 | DataType::MediumInt(_) => DataType::Int(None),
        DataType::Int16 => DataType::SmallInt(None),
        DataType::UBigInt => DataType::BigIntUnsigned(None),
        DataType::USmallInt => DataType::SmallIntUnsigned(None),
        DataType::UTinyInt => DataType::TinyIntUnsigned(None),
        DataType::HugeInt | DataType::UHugeInt => decimal(38, 0),
        DataType::BigNumeric(ExactNumberInfo::None) | DataType::BigDecimal(ExactNumberInfo::None) => decimal(76, 38),
        DataType::BigNumeric(info) | DataType::BigDecimal(info) | DataType::Dec(info) => DataType::Decimal(*info),
        DataType::Bytes(_) | DataType::Blob(_) | DataType::Binary(_) | DataType::Varbinary(_) => DataType::Bytea,
        DataType::JSON
        | DataType::JSONB
        | DataType::Uuid
        | DataType::Clob(_)
        | DataType::TinyText
        | DataType::MediumText
        | DataType::LongText => DataType::Text,
        DataType::CharacterVarying(_) | DataType::CharVarying(_) | DataType::Nvarchar(_) | DataType::Character(_) => {
            DataType::Varchar(None)
        }
        DataType::TimestampNtz(Some(digits)) | DataType::Datetime(Some(digits)) => {
            DataType::Timestamp(Some(known_digits(*digits)), TimezoneInfo::None)
        }
        DataType::Custom(name, arguments) => match custom(name, arguments) {
            Some(known) => known,
            None => return,
        },
        DataType::Array(
            ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::SquareBracket(item, _)
            | ArrayElemTypeDef::Parenthesis(item),
        ) => return adapt(item),
        DataType::Struct(fields, _) => {
            return fields.iter_mut().for_each(|field| adapt(&mut field.field_type));
        }
        _ => return,
    };
    *data_type = other;
}

/// Writes the short offset of a point in time in full, as Postgres and DuckDB read it: `10:00:00-5` is `10:00:00-05`.
pub(super) fn complete_offset(data_type: &DataType, value: &mut Value) {
    let is_time = matches!(data_type, DataType::Timestamp(..) | DataType::TimestampNtz(_) | DataType::Datetime(_));
    let Value::SingleQuotedString(text) = value else { return };
    let Some((before, hours)) = text.rsplit_once(['+', '-']).filter(|_| is_time && text.contains(':')) else { return };
    let is_short = matches!(hours.as_bytes(), [hour] if hour.is_ascii_digit());
    if is_short && before.ends_with(|last: char| last.is_ascii_digit()) {
        let sign = &text[before.len()..=before.len()];
        *text = format!("{before}{sign}0{hours}:00");
    }
}

/// The digits behind the second that a timestamp can have: 0, 3, 6 or 9.
fn known_digits(digits: u64) -> u64 {
    digits.div_ceil(3).min(3) * 3
}

/// A type that the parser takes for one of the user's.
fn custom(name: &ObjectName, arguments: &[String]) -> Option<DataType> {
    let zoned = |digits: Option<u64>| DataType::Timestamp(digits.map(known_digits), TimezoneInfo::WithTimeZone);
    let first = arguments.first().and_then(|argument| argument.trim().parse::<u64>().ok());
    Some(match name.to_string().to_ascii_lowercase().as_str() {
        "number" => {
            let scale = arguments.get(1).and_then(|argument| argument.trim().parse::<i64>().ok());
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(first.unwrap_or(38), scale.unwrap_or(0)))
        }
        "timestamp_ltz" | "timestamp_tz" | "timestampltz" => zoned(first),
        "timestamp_ntz" | "timestampntz" | "timestamp_us" => {
            DataType::Timestamp(first.map(known_digits), TimezoneInfo::None)
        }
        "timestamp_s" => DataType::Timestamp(Some(0), TimezoneInfo::None),
        "timestamp_ms" => DataType::Timestamp(Some(3), TimezoneInfo::None),
        "timestamp_ns" => DataType::Timestamp(Some(9), TimezoneInfo::None),
        "variant" | "object" | "bpchar" | "nchar" | "ntext" | "citext" => DataType::Text,
        "serial" => DataType::Int(None),
        "bigserial" => DataType::BigInt(None),
        "smallserial" => DataType::SmallInt(None),
        "byteint" => DataType::TinyInt(None),
        "uinteger" => DataType::IntUnsigned(None),
        _ => return None,
    })
}
