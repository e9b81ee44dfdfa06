//! What statements of `on-run-start` will do to names and columns, so that the check before the run knows the relations
//! that they make. Nothing is read but schemas.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::engine::error::SqlProblem;
use crate::engine::session::{RelationSource as _, Variant};
use crate::engine::statement::{Action, Alteration, CreateTable, Statement};
use crate::engine::view::{Fresh, WarehouseView};
use crate::manifest::relation::{Relation, RelationKey};
use crate::template::host::RelationKind;

/// Does to the names of a view what the statements of a text will do; what they would fail with is told now.
pub async fn rehearse(view: &Arc<WarehouseView>, sql: &str) -> Result<(), SqlProblem> {
    for statement in view.session(Variant::Normal).statements(sql)? {
        let start = statement.range.start;
        let text = sql.get(statement.range.clone()).unwrap_or_default();
        let placed = |mut problem: SqlProblem| {
            let verb = text.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(text.len());
            let range = problem.range.take().unwrap_or(0..verb);
            problem.at(range.start + start..range.end + start)
        };
        one(view, &statement, text).await.map_err(placed)?;
    }
    Ok(())
}

async fn one(view: &Arc<WarehouseView>, statement: &Statement, text: &str) -> Result<(), SqlProblem> {
    match &statement.action {
        Action::Query => planned(view, text).await.map(|_| ()),
        Action::Nothing(_) | Action::CreateSchema(_) => Ok(()),
        Action::CreateTable(create) => {
            let stays = create.if_not_exists && !create.or_replace && view.exists(&create.relation.key());
            if !stays {
                let schema = new_table(view, create).await?;
                view.put(create.relation.key(), Fresh::Planned(schema, RelationKind::Table));
            }
            Ok(())
        }
        Action::CreateView(create) => {
            let schema = planned(view, &create.query).await.map_err(|problem| made(problem, &create.query, text))?;
            let schema = renamed(&schema, &create.columns);
            view.put(create.relation.key(), Fresh::Planned(schema, RelationKind::View));
            Ok(())
        }
        Action::Insert(insert) => {
            existing(view, &insert.relation)?;
            planned(view, &insert.query).await.map(|_| ()).map_err(|problem| made(problem, &insert.query, text))
        }
        Action::Update(update) => existing(view, &update.relation),
        Action::Delete(delete) => existing(view, &delete.relation),
        Action::Merge(merge) => existing(view, &merge.relation),
        Action::Truncate(relations) => relations.iter().try_for_each(|relation| existing(view, relation)),
        Action::Drop(drop) => {
            for relation in &drop.relations {
                if !drop.if_exists {
                    existing(view, relation)?;
                }
                view.put(relation.key(), Fresh::Gone);
            }
            Ok(())
        }
        Action::DropSchema { namespace, .. } => {
            let inside: Vec<RelationKey> = view.names().into_iter().filter(|key| namespace.holds(key)).collect();
            for key in inside {
                view.put(key, Fresh::Gone);
            }
            Ok(())
        }
        Action::Alter(alter) => {
            if alter.if_exists && !view.exists(&alter.relation.key()) {
                return Ok(());
            }
            let mut relation = alter.relation.clone();
            for step in &alter.steps {
                existing(view, &relation)?;
                relation = altered(view, &relation, step).await?;
            }
            Ok(())
        }
    }
}

fn existing(view: &WarehouseView, relation: &Relation) -> Result<(), SqlProblem> {
    if view.exists(&relation.key()) {
        return Ok(());
    }
    Err(SqlProblem::new("unknown-relation", format!("there is no table or view `{}`", relation.short_name())))
}

async fn planned(view: &Arc<WarehouseView>, sql: &str) -> Result<SchemaRef, SqlProblem> {
    let plan = view.session(Variant::Normal).plan(sql).await?;
    Ok(Arc::new(plan.schema().as_arrow().clone()))
}

/// A problem with a query within a statement: its place is where its word stands in the statement.
fn made(mut problem: SqlProblem, query: &str, text: &str) -> SqlProblem {
    let word = problem.range.take().and_then(|range| query.get(range)).unwrap_or_default().to_lowercase();
    let found = if word.is_empty() { None } else { text.to_lowercase().find(&word) };
    problem.range = found.map(|start| start..start + word.len());
    problem
}

async fn new_table(view: &Arc<WarehouseView>, create: &CreateTable) -> Result<SchemaRef, SqlProblem> {
    let declared = create
        .columns
        .iter()
        .filter_map(|column| Some(Field::new(&column.name, column.data_type.clone()?, column.nullable)));
    let Some(query) = &create.query else {
        return Ok(Arc::new(Schema::new(declared.collect::<Vec<_>>())));
    };
    let found = planned(view, query).await?;
    let names: Vec<String> = create.columns.iter().map(|column| column.name.clone()).collect();
    Ok(renamed(&found, &names))
}

fn renamed(schema: &SchemaRef, names: &[String]) -> SchemaRef {
    if names.len() != schema.fields().len() {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().zip(names).map(|(field, name)| field.as_ref().clone().with_name(name));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A relation after one step of `alter`; gives its name then.
async fn altered(view: &Arc<WarehouseView>, relation: &Relation, step: &Alteration) -> Result<Relation, SqlProblem> {
    let key = relation.key();
    let kind = view.kind(&key).unwrap_or(RelationKind::Table);
    let opened = view.table(&key).await.map_err(|error| SqlProblem::from_engine("", &error))?;
    let Some(provider) = opened else { return Ok(relation.clone()) };
    let mut fields: Vec<Field> = provider.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    let same = |field: &Field, name: &str| field.name().eq_ignore_ascii_case(name);
    match step {
        Alteration::Add { column, .. } => {
            if let Some(data_type) = &column.data_type
                && !fields.iter().any(|field| same(field, &column.name))
            {
                fields.push(Field::new(&column.name, data_type.clone(), column.nullable));
            }
        }
        Alteration::Drop { columns, .. } => fields.retain(|field| !columns.iter().any(|name| same(field, name))),
        Alteration::Rename { from, to } => {
            for field in fields.iter_mut().filter(|field| same(field, from)) {
                *field = field.clone().with_name(to);
            }
        }
        Alteration::Retype { column, data_type, .. } => {
            for field in fields.iter_mut().filter(|field| same(field, column)) {
                *field = field.clone().with_data_type(data_type.clone());
            }
        }
        Alteration::Nullable { .. } => {}
        Alteration::RenameTo(to) => {
            view.put(to.key(), Fresh::Planned(provider.schema(), kind));
            view.put(key, Fresh::Gone);
            return Ok(to.clone());
        }
    }
    view.put(key, Fresh::Planned(Arc::new(Schema::new(fields)), kind));
    Ok(relation.clone())
}
