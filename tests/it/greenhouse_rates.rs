//! How often things happen in the generated shop, against the shares that its profile names.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::cast_precision_loss, reason = "counts of rows")]

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, NaiveDateTime};

use crate::greenhouse::{Data, Landing};

/// Events of the quick form. `KARAT_SLOW=1` takes a million.
const QUICK: &str = "60000";

/// What was counted beside what the profile says.
struct Measured {
    rates: Vec<(String, usize, usize, f64)>,
    amounts: Vec<(String, f64, f64)>,
}

impl Measured {
    /// A share: so many of so many.
    fn rate(&mut self, name: impl Into<String>, count: usize, of: usize, expected: f64) {
        self.rates.push((name.into(), count, of, expected));
    }

    /// The shares of several kinds by their weights, in percent of all weights.
    fn weights(&mut self, name: &str, counts: &BTreeMap<usize, usize>, weights: &[f64]) {
        let (of, all) = (counts.values().sum(), weights.iter().sum::<f64>());
        for (place, weight) in weights.iter().enumerate() {
            self.rate(
                format!("{name} {}", place + 1),
                counts.get(&(place + 1)).copied().unwrap_or(0),
                of,
                weight / all,
            );
        }
    }

    fn amount(&mut self, name: &str, found: f64, expected: f64) {
        self.amounts.push((name.to_owned(), found, expected));
    }

    /// Within five percent, or within what chance does to so few: four standard errors.
    fn assert(&self, is_strict: bool) {
        let mut wrong = Vec::new();
        for (name, count, of, expected) in &self.rates {
            let found = *count as f64 / *of as f64;
            let error = (expected * (1.0 - expected) / *of as f64).sqrt();
            // A weight of a few in a thousand is not a share of five percent's precision, even of a million events.
            let chance = if is_strict && *expected > 0.02 { 0.0 } else { 4.0 * error };
            if (found - expected).abs() > (0.05 * expected).max(chance) {
                wrong.push(format!("{name}: {found:.4} of {of}, expected {expected:.4}"));
            }
        }
        for (name, found, expected) in &self.amounts {
            if (found / expected - 1.0).abs() > 0.05 {
                wrong.push(format!("{name}: {found:.3}, expected {expected:.3}"));
            }
        }
        assert!(self.rates.len() > 50 && wrong.is_empty(), "{wrong:#?}");
    }
}

fn counts<T>(items: impl IntoIterator<Item = T>, of: impl Fn(T) -> usize) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(of(item)).or_default() += 1;
    }
    counts
}

fn cents(text: &str) -> f64 {
    text.replace('.', "").parse().unwrap()
}

fn days(text: &str) -> i64 {
    instant(text).div_euclid(86_400)
}

fn instant(text: &str) -> i64 {
    DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z").unwrap().timestamp()
}

fn wall(text: &str) -> i64 {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap().and_utc().timestamp()
}

/// What is counted in users and addresses.
fn measure_people(data: &Data, scale: f64, measured: &mut Measured, sessions_of: &HashMap<&str, usize>) {
    let users = data.table("users").columns(["user_id", "address_id", "created_at", "updated_at"]);
    let addresses = data.table("addresses").rows.len();
    measured.amount("users per 1000 events", users.len() as f64 / scale * 1000.0, 36.0);
    measured.amount("addresses per user", addresses as f64 / users.len() as f64, 1.15);
    let idle = users.iter().filter(|user| !sessions_of.contains_key(user[0])).count();
    measured.rate("users without events", idle, users.len(), 0.046);
    let mut users_of: HashMap<&str, usize> = HashMap::new();
    for user in &users {
        *users_of.entry(user[1]).or_default() += 1;
    }
    let shared = users_of.values().filter(|users| **users > 1).count();
    measured.rate("shared addresses", shared, users_of.len(), 0.38);
    assert!(users_of.values().all(|users| *users <= 4));
    let mut delays: Vec<i64> = users.iter().map(|user| instant(user[3]) - instant(user[2])).collect();
    delays.sort_unstable();
    measured.amount("median days to a user's update", delays[delays.len() / 2] as f64 / 86_400.0, 56.0);
    assert!((0..=99 * 86_400).contains(delays.last().unwrap()));
    let all: usize = sessions_of.values().sum();
    let hub = *sessions_of.values().max().unwrap();
    measured.rate("sessions of the hub", hub, all, 0.38);
    let mut others: Vec<usize> = sessions_of.values().copied().filter(|sessions| *sessions < hub).collect();
    others.sort_unstable();
    assert_eq!(others[others.len() / 2], 3, "median of the sessions of a user");
}

/// What is counted in sessions.
fn measure_sessions<'a>(data: &'a Data, measured: &mut Measured) -> HashMap<&'a str, usize> {
    let mut sessions: HashMap<&str, [usize; 4]> = HashMap::new();
    let mut sessions_of: HashMap<&str, HashSet<&str>> = HashMap::new();
    let mut hours = BTreeMap::new();
    let mut gaps = Vec::new();
    let mut until_shipped = Vec::new();
    let mut last: (&str, i64) = ("", 0);
    for [session, user, kind, time] in
        data.table("events").columns(["session_id", "user_id", "event_type", "created_at"])
    {
        let kinds = ["page_view", "add_to_cart", "checkout", "package_shipped"];
        let place = kinds.iter().position(|other| *other == kind).unwrap();
        sessions.entry(session).or_default()[place] += 1;
        sessions_of.entry(user).or_default().insert(session);
        let time = wall(time);
        if last.0 == session {
            let gap = time - last.1;
            if place == 3 { until_shipped.push(gap) } else { gaps.push(gap) }
        } else {
            *hours.entry(usize::try_from(time.rem_euclid(86_400) / 3600).unwrap() + 1).or_default() += 1;
        }
        last = (session, time);
    }
    let all = sessions.len();
    let having = |place: usize| sessions.values().filter(|kinds| kinds[place] > 0).count();
    measured.rate("sessions with a cart", having(1), all, 0.808);
    measured.rate("sessions with a checkout", having(2), all, 0.625);
    measured.rate("sessions with a shipment", having(3), all, 0.58);
    let views = counts(sessions.values(), |kinds| kinds[0]);
    measured.weights("page views", &views, &[18.0, 17.0, 26.0, 16.0, 13.0, 6.0, 2.3, 1.0, 0.5, 0.2]);
    let hour_weights = [
        2.0, 1.5, 1.2, 1.0, 1.0, 1.3, 2.0, 3.0, 4.0, 4.5, 5.0, 5.3, 5.8, 5.2, 4.6, 4.4, 4.5, 4.9, 5.6, 6.4, 6.8, 6.0,
        4.5, 3.0,
    ];
    measured.weights("hour", &hours, &hour_weights);
    gaps.sort_unstable();
    measured.amount("median gap", gaps[gaps.len() / 2] as f64, 41.0);
    measured.rate("gaps below 92 s", gaps.iter().filter(|gap| **gap < 92).count(), gaps.len(), 0.9);
    until_shipped.sort_unstable();
    measured.amount("median hours to the shipment", until_shipped[until_shipped.len() / 2] as f64 / 3600.0, 4.0);
    assert!(until_shipped[0] >= 2 * 3600 && *until_shipped.last().unwrap() <= 6 * 3600);
    sessions_of.into_iter().map(|(user, sessions)| (user, sessions.len())).collect()
}

/// What is counted in orders and their items.
fn measure_orders(data: &Data, measured: &mut Measured) {
    let mut items_of: HashMap<&str, usize> = HashMap::new();
    let mut orders_of: HashMap<&str, usize> = HashMap::new();
    let mut quantities = BTreeMap::new();
    for [order, product, quantity] in data.table("order_items").columns(["order_id", "product_id", "quantity"]) {
        *items_of.entry(order).or_default() += 1;
        *orders_of.entry(product).or_default() += 1;
        *quantities.entry(quantity.parse::<usize>().unwrap()).or_default() += 1;
    }
    measured.weights("items", &counts(items_of.values(), |items| *items), &[25.0, 37.0, 22.0, 11.0, 4.0, 1.4, 0.6]);
    measured.weights("quantity", &quantities, &[1.0; 4]);
    let [least, most] = [orders_of.values().min().unwrap(), orders_of.values().max().unwrap()];
    assert!(*most < least * 5 / 2, "Zipf's law of 0.2 is nearly even: {least} to {most}");
    let columns = [
        "status",
        "promo_id",
        "shipping_cost",
        "shipping_service",
        "created_at",
        "estimated_delivery_at",
        "delivered_at",
    ];
    let orders = data.table("orders").columns(columns);
    let having = |place: usize, value: &str| orders.iter().filter(|order| order[place] == value).count();
    for (status, share) in [("delivered", 0.845), ("shipped", 0.083), ("preparing", 0.072)] {
        measured.rate(status, having(0, status), orders.len(), share);
    }
    measured.rate("promo", orders.len() - having(1, ""), orders.len(), 0.11);
    let shipped = orders.len() - having(0, "preparing");
    for (service, share) in [("ups", 0.5), ("fedex", 0.29), ("usps", 0.18), ("dhl", 0.03)] {
        measured.rate(service, having(3, service), shipped, share);
    }
    measured.rate("no estimate", having(5, "") - having(0, "preparing"), shipped, 0.06);
    let costs: Vec<f64> = orders.iter().map(|order| cents(order[2])).collect();
    assert!(costs.iter().all(|cost| (100.0..=999.0).contains(cost)));
    measured.amount("mean shipping cost", costs.iter().sum::<f64>() / costs.len() as f64, 549.5);
    let wait = |place: usize| {
        let given = orders.iter().filter(move |order| !order[place].is_empty());
        counts(given, move |order| usize::try_from(days(order[place]) - days(order[4])).unwrap())
    };
    measured.weights("estimated days", &wait(5), &[1.0; 5]);
    measured.weights("days to the delivery", &wait(6), &[1.0; 7]);
    let prices: Vec<f64> =
        data.table("products").columns(["price"]).iter().map(|[price]| cents(price) / 100.0).collect();
    assert!(prices.iter().all(|price| (15.0..=95.0).contains(price)), "{prices:?}");
}

#[test]
fn greenhouse_rates_are_those_of_the_profile() {
    let is_slow = crate::support::is_slow();
    let scale = if is_slow { "1000000" } else { QUICK };
    let data = Landing::init(&["--scale", scale]).data();
    let mut measured = Measured { rates: Vec::new(), amounts: Vec::new() };
    let scale: f64 = scale.parse().unwrap();
    measured.amount("events", data.table("events").rows.len() as f64, scale);
    let sessions_of = measure_sessions(&data, &mut measured);
    measure_people(&data, scale, &mut measured, &sessions_of);
    measure_orders(&data, &mut measured);
    measured.assert(is_slow);
}

/// What a small journey adds: one address, one user, six events, one order with one item.
#[test]
fn greenhouse_journeys_have_their_counts() {
    let landing = Landing::init(&["--scale", "300"]);
    landing.journey(&["--count", "40", "--now", "2025-02-01"]);
    let rows = |batch: u64, table: &str| landing.manifest(batch)["tables"][table]["rows"].as_u64().unwrap_or(0);
    for (table, expected) in [("addresses", 40), ("users", 40), ("events", 240), ("order_items", 40), ("orders", 40)] {
        assert_eq!(rows(2, table), expected, "{table}");
    }
    assert!(["products", "promos", "budget"].iter().all(|table| rows(2, table) == 0));
    let data = landing.data();
    let mut sessions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for batch in &data.batches["events"][1..] {
        for row in &batch.rows {
            sessions.entry(&row[5]).or_default().push(&row[2]);
        }
    }
    assert_eq!(sessions.len(), 40);
    let kinds = ["page_view", "page_view", "page_view", "add_to_cart", "checkout", "package_shipped"];
    assert!(sessions.values().all(|session| session == &kinds), "{sessions:?}");
    let quantities: HashSet<&str> = data.batches["order_items"][1].rows.iter().map(|row| row[2].as_str()).collect();
    assert!(quantities.len() > 4 && !quantities.contains("0") && quantities.iter().all(|text| text.len() == 1));

    // Those who come back bring no new address and user; those who leave bring no order.
    landing.journey(&["--count", "100", "--now", "2025-02-02", "--returning", "0.6", "--abandon", "0.25"]);
    let [users, orders, events] = ["users", "orders", "events"].map(|table| rows(3, table));
    assert!((25..55).contains(&users) && rows(3, "addresses") == users, "{users} new users");
    assert!((60..90).contains(&orders) && rows(3, "order_items") == orders, "{orders} orders");
    assert_eq!(events, 400 + 2 * orders);

    // Changes are new versions, and what cannot be done is said.
    let wishes = ["--update-users", "5", "--update-addresses", "4", "--advance-orders", "3", "--delete-users", "2"];
    landing.journey(&[&["--count", "0", "--now", "2025-02-03"], &wishes[..]].concat());
    let changed = ["users", "addresses", "orders", "order_items"].map(|table| rows(4, table));
    assert_eq!(changed, [7, 4, 3, 0]);
    let data = landing.data();
    let deleted = data.table("users").columns(["_fivetran_deleted"]).iter().filter(|[flag]| *flag == "true").count();
    assert_eq!(deleted, 2);
    landing
        .journey(&["--count", "0", "--now", "2025-02-04", "--delete-users", "1000000"])
        .expect_message(&["warning: only ", "of 1000000 users could be deleted"]);
}
