//! One table of many files: which columns it has, where each file has them, and what the source's policies say about
//! the differences.
//!
//! With declared columns the table has exactly those. Without, it has the columns of the first file, then those that
//! later files add, in order of appearance, under names that SQL finds without quotes: `ORDER_ID` and `orderId` become
//! `order_id` and `orderid`, because SQL folds them so, too; a name that needs quotes anyway, such as `Order ID`, stays
//! as it is. Names match without regard to case. A difference is told once per column,
//! with the first file that shows it and the number of others.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use indexmap::IndexMap;

use super::error::ExternalError;
use crate::base::diagnostic::Diagnostics;
use crate::engine::types::sql_type_of;
use crate::manifest::source::{ExternalSource, Policy};

/// Columns of one file.
pub(super) struct FileShape<'a> {
    /// The path that is shown.
    pub(super) shown: &'a str,
    /// Names as the file spells them; types if the format has them.
    pub(super) columns: Vec<(String, Option<DataType>)>,
    /// Whether the columns are all columns: a file of which only the first rows were seen may have more.
    pub(super) complete: bool,
}

/// Columns of the table.
pub(super) struct Unified {
    /// Names and, where declared or known from the files, types.
    pub(super) columns: Vec<(String, Option<DataType>)>,
    /// For each file and each column of the table: the column of the file.
    pub(super) maps: Vec<Vec<Option<usize>>>,
    /// Differences that the policies let pass with a warning.
    pub(super) warnings: Diagnostics,
}

/// The difference found first, and in how many files it is.
struct Difference {
    policy: Policy,
    first: ExternalError,
    files: usize,
}

/// Collects differences by kind and column.
#[derive(Default)]
struct Differences(IndexMap<(&'static str, String), Difference>);

impl Differences {
    fn add(&mut self, policy: Policy, column: &str, error: ExternalError) {
        self.0
            .entry((error.code(), column.to_lowercase()))
            .and_modify(|difference| difference.files += 1)
            .or_insert(Difference { policy, first: error, files: 1 });
    }

    fn finish(self) -> Result<Diagnostics, ExternalError> {
        let mut warnings = Diagnostics::default();
        let mut problems = Vec::new();
        for difference in self.0.into_values() {
            match difference.policy {
                Policy::Allow => {}
                Policy::Warn => {
                    let warning = difference.first.warning();
                    warnings.push(match difference.files {
                        1 => warning,
                        files => warning.with_note(format!("the same in {} other files", files - 1)),
                    });
                }
                Policy::Fail => problems.push(difference.first),
            }
        }
        ExternalError::of_all(problems).map_or(Ok(warnings), Err)
    }
}

/// Makes one table of the files.
pub(super) fn unify(
    declared: &[(String, Option<DataType>)],
    files: &[FileShape<'_>],
    spec: &ExternalSource,
) -> Result<Unified, ExternalError> {
    twins(files)?;
    let mut columns: Vec<(String, Option<DataType>)> = declared.to_vec();
    let mut expected = "declared".to_owned();
    if declared.is_empty()
        && let Some(first) = files.first()
    {
        columns = first.columns.iter().map(|(name, data_type)| (sql_name(name), data_type.clone())).collect();
        expected = format!("in `{}`", first.shown);
    }
    let required = columns.len();
    let mut places: HashMap<String, usize> =
        columns.iter().enumerate().map(|(at, (name, _))| (name.to_lowercase(), at)).collect();
    let mut differences = Differences::default();
    let mut maps = Vec::with_capacity(files.len());
    for file in files {
        let mut map: Vec<Option<usize>> = vec![None; columns.len()];
        for (index, (name, data_type)) in file.columns.iter().enumerate() {
            let place = places.get(&name.to_lowercase()).copied();
            if place.is_none_or(|place| place >= required) {
                differences.add(
                    spec.on_new_column,
                    name,
                    ExternalError::NewColumn {
                        path: file.shown.to_owned(),
                        column: name.clone(),
                        expected: expected.clone(),
                    },
                );
            }
            let place = match place {
                Some(place) => place,
                None if declared.is_empty() => {
                    places.insert(name.to_lowercase(), columns.len());
                    columns.push((sql_name(name), None));
                    map.push(None);
                    columns.len() - 1
                }
                None => continue,
            };
            if let Some(slot) = map.get_mut(place) {
                *slot = Some(index);
            }
            let Some((_, wanted)) = columns.get_mut(place) else { continue };
            match (&wanted, data_type) {
                (_, None | Some(DataType::Null)) => {}
                (None | Some(DataType::Null), Some(found)) => *wanted = Some(found.clone()),
                (Some(known), Some(found)) if known == found => {}
                (Some(known), Some(found)) => {
                    differences.add(
                        spec.on_type_change,
                        name,
                        ExternalError::TypeChange {
                            path: file.shown.to_owned(),
                            column: name.clone(),
                            found: sql_type_of(found),
                            expected: sql_type_of(known),
                        },
                    );
                    if !is_declared(declared, name)
                        && let Some(wider) = wider(known, found)
                    {
                        *wanted = Some(wider);
                    }
                }
            }
        }
        if file.complete {
            for (name, _) in
                columns.iter().zip(&map).take(required).filter(|(_, place)| place.is_none()).map(|(column, _)| column)
            {
                differences.add(
                    spec.on_missing_column,
                    name,
                    ExternalError::MissingColumn {
                        path: file.shown.to_owned(),
                        column: name.clone(),
                        expected: expected.clone(),
                    },
                );
            }
        }
        maps.push(map);
    }
    for map in &mut maps {
        map.resize(columns.len(), None);
    }
    Ok(Unified { columns, maps, warnings: differences.finish()? })
}

/// The name of a column that is not declared.
fn sql_name(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    let unquoted = name.bytes().all(plain) && !name.starts_with(|first: char| first.is_ascii_digit());
    if unquoted { name.to_ascii_lowercase() } else { name.to_owned() }
}

fn is_declared(declared: &[(String, Option<DataType>)], name: &str) -> bool {
    declared.iter().any(|(declared, data_type)| data_type.is_some() && declared.to_lowercase() == name.to_lowercase())
}

/// Refuses files whose columns differ in case only: SQL could not tell them apart.
fn twins(files: &[FileShape<'_>]) -> Result<(), ExternalError> {
    let mut problems = Vec::new();
    for file in files {
        let mut seen: HashMap<String, &str> = HashMap::new();
        for (name, _) in &file.columns {
            if let Some(earlier) = seen.insert(name.to_lowercase(), name) {
                problems.push(ExternalError::Columns {
                    path: file.shown.to_owned(),
                    reason: if earlier == name {
                        format!("column `{name}` occurs twice")
                    } else {
                        format!("columns `{earlier}` and `{name}` differ only in case")
                    },
                });
            }
        }
    }
    ExternalError::of_all(problems).map_or(Ok(()), Err)
}

/// The number type that holds the values of both.
fn wider(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64};
    let rank = |data_type: &DataType| [Int8, Int16, Int32, Int64, Float32, Float64].iter().position(|t| t == data_type);
    let (left_rank, right_rank) = (rank(left)?, rank(right)?);
    // A 32-bit float holds no 32-bit integer: integers and floats meet in the double.
    if (left_rank < 4) != (right_rank < 4) {
        return Some(Float64);
    }
    Some(if left_rank >= right_rank { left.clone() } else { right.clone() })
}
