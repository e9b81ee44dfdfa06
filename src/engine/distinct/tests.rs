//! The accumulator against a plain model: a set for each group, over random histories of all that the engine may ask.

use std::collections::{BTreeSet, VecDeque};

use arrow::array::StringArray;
use proptest::prelude::*;

use super::*;

/// What the engine may ask of an accumulator. Groups are taken modulo those that there are.
#[derive(Debug, Clone)]
enum Step {
    /// Rows of (group, value, what the filter says).
    Update(Vec<(usize, Option<u8>, Option<bool>)>),
    /// The same rows as states of another accumulator, one for each row.
    Merge(Vec<(usize, Option<u8>, Option<bool>)>),
    Evaluate(usize),
    State(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row =
        (0_usize..12, prop::option::weighted(0.9, 0_u8..6), prop::option::weighted(0.9, prop::bool::weighted(0.8)));
    let rows = prop::collection::vec(row, 0..40);
    let step = prop_oneof![
        3 => rows.clone().prop_map(Step::Update),
        3 => rows.prop_map(Step::Merge),
        1 => (0_usize..6).prop_map(Step::Evaluate),
        1 => (0_usize..6).prop_map(Step::State),
    ];
    prop::collection::vec(step, 1..12)
}

fn text(value: u8) -> String {
    // Longer than what a view holds inline.
    format!("a value of more than twelve bytes, {value}")
}

fn columns(rows: &[(usize, Option<u8>, Option<bool>)]) -> (ArrayRef, BooleanArray) {
    let values: StringArray = rows.iter().map(|(_, value, _)| value.map(text)).collect();
    (Arc::new(values), rows.iter().map(|(_, _, condition)| *condition).collect())
}

/// The values in a state, by group; each is there once.
fn sets(state: &ArrayRef) -> Vec<BTreeSet<String>> {
    let lists = state.as_list::<i32>();
    let set = |list: ArrayRef| {
        let set: BTreeSet<String> = list.as_string::<i32>().iter().map(|value| value.unwrap().to_owned()).collect();
        assert_eq!(set.len(), list.len());
        set
    };
    lists.iter().map(|list| set(list.unwrap())).collect()
}

fn play(steps: Vec<Step>) {
    let mut pairs = Pairs::new(&DataType::Utf8).unwrap();
    let mut model: VecDeque<BTreeSet<String>> = VecDeque::new();
    for step in steps {
        match step {
            Step::Update(rows) | Step::Merge(rows) if rows.is_empty() => {}
            Step::Update(ref rows) | Step::Merge(ref rows) => {
                let groups: Vec<usize> = rows.iter().map(|(group, ..)| *group).collect();
                let total = model.len().max(groups.iter().max().unwrap() + 1);
                model.resize_with(total, BTreeSet::new);
                for (group, value, condition) in rows {
                    if let (Some(value), Some(true)) = (value, condition) {
                        model[*group].insert(text(*value));
                    }
                }
                let (values, condition) = columns(rows);
                if matches!(step, Step::Update(_)) {
                    pairs.update_batch(&[values], &groups, Some(&condition), total).unwrap();
                } else {
                    let state = pairs.convert_to_state(&[values], Some(&condition)).unwrap();
                    pairs.merge_batch(&state, &groups, total).unwrap();
                }
            }
            Step::Evaluate(count) | Step::State(count) => {
                let emit_to = if count >= model.len() { EmitTo::All } else { EmitTo::First(count) };
                let taken: Vec<BTreeSet<String>> = model.drain(..count.min(model.len())).collect();
                if matches!(step, Step::State(_)) {
                    assert_eq!(sets(&pairs.state(emit_to).unwrap()[0]), taken);
                } else {
                    let counts = pairs.evaluate(emit_to).unwrap();
                    let counts: Vec<i64> = counts.as_primitive::<arrow::datatypes::Int64Type>().values().to_vec();
                    let expected: Vec<i64> = taken.iter().map(|set| i64::try_from(set.len()).unwrap()).collect();
                    assert_eq!(counts, expected);
                }
            }
        }
    }
    assert_eq!(sets(&pairs.state(EmitTo::All).unwrap()[0]), Vec::from(model));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn counts_what_a_set_for_each_group_counts(steps in steps()) {
        play(steps);
    }
}

#[test]
fn many_groups_take_little_memory() {
    let mut pairs = Pairs::new(&DataType::Utf8).unwrap();
    let groups: Vec<usize> = (0..100_000).collect();
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(groups.iter().map(|group| format!("{group:08}"))));
    pairs.update_batch(&[values], &groups, None, groups.len()).unwrap();
    // The engine's own takes ten kilobytes a group.
    assert!(pairs.size() < groups.len() * 200, "{}", pairs.size());
}
