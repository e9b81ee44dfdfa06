//! `alter`: the columns of a table, and the names of relations.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use crate::base::ident::quote;
use crate::engine::statement::{Alter, Alteration};
use crate::engine::view::Fresh;
use crate::execute::failure::Failure;
use crate::execute::statement::{Existing, One, bad};
use crate::manifest::relation::Relation;
use crate::plan::algebra::{TARGET, scratch};
use crate::store::{Operation, TableVersion};

impl One<'_> {
    /// All steps are done before the relation is seen to be another.
    pub(super) async fn alter(&self, alter: &Alter) -> Result<u64, Failure> {
        let mut relation = alter.relation.clone();
        let mut altered: Option<TableVersion> = None;
        let mut lock = None;
        for step in &alter.steps {
            if let Alteration::RenameTo(to) = step {
                self.put_altered(&relation, altered.take());
                lock = None;
                if !self.rename(&relation, to, alter.if_exists).await? {
                    return Ok(0);
                }
                relation = to.clone();
                continue;
            }
            if lock.is_none() {
                lock = Some(self.run.changes.lock(&relation.key()).await);
            }
            let table = match altered.take() {
                Some(table) => table,
                None if alter.if_exists && matches!(self.existing(&relation).await?, Existing::Nothing) => {
                    return Ok(0);
                }
                None => self.table(&relation).await?.as_ref().clone(),
            };
            altered = Some(self.alter_table(&relation, table, step).await?);
        }
        self.put_altered(&relation, altered);
        Ok(0)
    }

    fn put_altered(&self, relation: &Relation, altered: Option<TableVersion>) {
        if let Some(version) = altered {
            let temporary = self.run.changes.is_temporary(&relation.key());
            self.put(relation, Fresh::Staged(Arc::new(version)), Operation::Merge, temporary);
        }
    }

    /// Gives a relation another name; `false` if there is none.
    async fn rename(&self, from: &Relation, to: &Relation, if_exists: bool) -> Result<bool, Failure> {
        let (first, second) = if from.key() <= to.key() { (from, to) } else { (to, from) };
        let _first = self.run.changes.lock(&first.key()).await;
        let _second = if first.key() == second.key() { None } else { Some(self.run.changes.lock(&second.key()).await) };
        let found = self.existing(from).await?;
        if matches!(found, Existing::Nothing) {
            return if if_exists { Ok(false) } else { self.fail(self.missing(from)) };
        }
        let taken = self.existing(to).await?;
        if !matches!(taken, Existing::Nothing) {
            let message = format!("there is a {} `{}` already", taken.word(), to.short_name());
            return self.fail(bad(message).hint("drop it first"));
        }
        let temporary = self.run.changes.is_temporary(&from.key());
        let fresh = match found {
            Existing::View { sql, schema } => Fresh::View { sql, schema },
            Existing::Table(table) => {
                // A table's files lie in the folder of its name: on one disk they are linked, not copied.
                let warehouse = &self.run.view.surroundings().warehouse;
                let copy = warehouse.stage_copy(warehouse, &table, to).await;
                Fresh::Staged(Arc::new(copy.map_err(|error| Failure::of_store(self.owner, &error))?))
            }
            Existing::Nothing => Fresh::Gone,
        };
        // What was read for the old name was read for the new one, and what a node of this run has made is that node's.
        let mut reads = self.run.changes.get(&from.key()).map(|change| change.reads).unwrap_or_default();
        if self.run.view.fresh(&from.key()).is_some() {
            reads.insert(from.key());
        }
        self.put(to, fresh, Operation::Overwrite, temporary);
        self.run.changes.add_reads(&to.key(), reads);
        // The old name goes only when the new one is seen.
        self.put_gone(from, BTreeSet::from([to.key()]));
        Ok(true)
    }

    async fn alter_table(
        &self,
        relation: &Relation,
        table: TableVersion,
        step: &Alteration,
    ) -> Result<TableVersion, Failure> {
        let writer = self.writer(relation, Some(&table));
        let fields_now = Arc::clone(&table.schema);
        let known = |name: &str| fields_now.fields().iter().find(|field| field.name().eq_ignore_ascii_case(name));
        let partition_by = table.partition_by.clone();
        let partition = |name: &str| partition_by.iter().any(|column| column.eq_ignore_ascii_case(name));
        let mut fields: Vec<Field> = table.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut values: Vec<String> = fields.iter().map(|field| quote(field.name())).collect();
        let mut rewrites = true;
        match step {
            Alteration::Add { column, default, if_not_exists } => {
                if known(&column.name).is_some() {
                    if *if_not_exists {
                        return Ok(table);
                    }
                    let message = format!("`{}` has a column `{}` already", relation.short_name(), column.name);
                    return self.fail(bad(message).hint("write `add column if not exists`"));
                }
                if !column.nullable && default.is_none() && !table.files.is_empty() {
                    let message = format!("the new column `{}` would be null in the rows that are there", column.name);
                    return self.fail(bad(message).hint("give it a `default`"));
                }
                let Some(data_type) = column.data_type.clone() else {
                    return self.fail(bad(format!("the column `{}` has no type", column.name)));
                };
                fields.push(Field::new(&column.name, data_type, column.nullable));
                values.push(default.clone().unwrap_or_else(|| "null".to_owned()));
                // A file without the column has nulls in it.
                rewrites = default.is_some();
            }
            Alteration::Drop { columns, if_exists } => {
                let columns: Vec<String> =
                    columns.iter().filter(|name| !*if_exists || known(name).is_some()).cloned().collect();
                let columns = self.columns_of(&table, &columns)?;
                if columns.is_empty() {
                    return Ok(table);
                }
                if let Some(name) = columns.iter().find(|name| partition(name)) {
                    return self.fail(bad(format!("`{name}` separates the files of the table")));
                }
                let keep: Vec<bool> = fields.iter().map(|field| !columns.contains(field.name())).collect();
                let mut kept = keep.iter();
                fields.retain(|_| *kept.next().unwrap_or(&true));
                let mut kept = keep.iter();
                values.retain(|_| *kept.next().unwrap_or(&true));
                if fields.is_empty() {
                    return self.fail(bad("a table needs a column"));
                }
            }
            Alteration::Rename { from, to } => {
                let old = self.columns_of(&table, std::slice::from_ref(from))?;
                if known(to).is_some_and(|field| !old.contains(field.name())) {
                    let message = format!("`{}` has a column `{to}` already", relation.short_name());
                    return self.fail(bad(message));
                }
                if partition(from) {
                    return self.fail(bad(format!("`{from}` separates the files of the table")));
                }
                for (field, value) in fields.iter_mut().zip(&mut values) {
                    if old.contains(field.name()) {
                        *value = quote(field.name());
                        *field = field.clone().with_name(to);
                    }
                }
            }
            Alteration::Retype { column, data_type, using } => {
                let names = self.columns_of(&table, std::slice::from_ref(column))?;
                for (field, value) in fields.iter_mut().zip(&mut values) {
                    if names.contains(field.name()) {
                        if let Some(using) = using {
                            value.clone_from(using);
                        }
                        *field = field.clone().with_data_type(data_type.clone());
                    }
                }
            }
            Alteration::Nullable { column, nullable } => {
                let names = self.columns_of(&table, std::slice::from_ref(column))?;
                for field in &mut fields {
                    if names.contains(field.name()) {
                        *field = field.clone().with_nullable(*nullable);
                    }
                }
                // That no null is there shows when the rows are written.
                rewrites = !*nullable;
            }
            Alteration::RenameTo(_) => return Ok(table),
        }
        let schema = self.storable(&Schema::new(fields.clone()))?;
        let files = if rewrites && !table.files.is_empty() {
            writer.put_version(TARGET, &table, None)?;
            let values =
                values.iter().zip(&fields).map(|(value, field)| format!("({value}) as {}", quote(field.name())));
            let sql = format!("select {} from {}", values.collect::<Vec<_>>().join(", "), scratch(TARGET));
            self.write(&writer, &sql, &schema).await?
        } else {
            table.files.clone()
        };
        Ok(TableVersion { schema, files, version: None, ..table })
    }
}
