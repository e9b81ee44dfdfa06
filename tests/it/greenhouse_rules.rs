//! What is always true in the plant shop before defects: a test for each rule, after a first load and after journeys,
//! and again once the defects that `dirt.ndjson` lists have been taken out.

#![expect(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Duration, NaiveDateTime, TimeZone as _};
use chrono_tz::America::Los_Angeles;

use crate::greenhouse::{Batch, Data, Landing, TABLES, parse};

/// A rule's number in the generator's specification, and what breaks it.
type Broken = Vec<(u8, String)>;

/// An instant of a time with its offset.
fn instant(text: &str) -> Result<i64, String> {
    let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z");
    time.map(|time| time.timestamp()).map_err(|error| format!("time `{text}`: {error}"))
}

/// An instant of a wall time of the shop; the earlier one if it occurs twice.
fn wall(text: &str) -> Result<i64, String> {
    let time =
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").map_err(|error| format!("`{text}`: {error}"))?;
    let instant = Los_Angeles.from_local_datetime(&time).earliest();
    instant.map(|instant| instant.timestamp()).ok_or_else(|| format!("`{text}` was skipped by the clock"))
}

fn cents(text: &str) -> Result<i64, String> {
    let (whole, rest) = text.split_once('.').filter(|(_, rest)| rest.len() == 2).ok_or(format!("amount `{text}`"))?;
    format!("{whole}{rest}").parse().map_err(|error| format!("amount `{text}`: {error}"))
}

fn whole(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error| format!("number `{text}`: {error}"))
}

/// The newest versions of a table's rows by their first column, each with the values of the further columns.
fn newest<'a, const N: usize>(data: &'a Data, table: &str, columns: [&str; N]) -> HashMap<&'a str, [&'a str; N]> {
    let rows = data.table(table);
    let synced = rows.columns(["_fivetran_synced"]);
    let mut newest: HashMap<&str, (i64, [&str; N])> = HashMap::new();
    for (row, [synced]) in rows.columns(columns).into_iter().zip(synced) {
        let synced = instant(synced).unwrap_or(i64::MIN);
        let held = newest.entry(row[0]).or_insert((synced, row));
        if synced >= held.0 {
            *held = (synced, row);
        }
    }
    newest.into_iter().map(|(key, (_, row))| (key, row)).collect()
}

/// An event as the rules need it.
struct Event<'a> {
    kind: &'a str,
    user: &'a str,
    product: &'a str,
    order: &'a str,
    url: &'a str,
    time: i64,
}

/// Everything that breaks a rule. Times and amounts that cannot be read break the rule that needs them.
fn broken(data: &Data) -> Broken {
    let mut broken = Broken::new();
    let addresses = newest(data, "addresses", ["address_id"]);
    let users = newest(data, "users", ["user_id", "address_id", "created_at", "updated_at", "_fivetran_synced"]);
    let products = newest(data, "products", ["product_id", "price"]);
    let promos = newest(data, "promos", ["promo_id", "discount"]);
    let columns = [
        "order_id",
        "user_id",
        "address_id",
        "promo_id",
        "created_at",
        "order_cost",
        "shipping_cost",
        "order_total",
        "status",
        "tracking_id",
        "shipping_service",
        "estimated_delivery_at",
        "delivered_at",
    ];
    let orders = newest(data, "orders", columns);
    let items = data.table("order_items");
    let events = data.table("events");
    let products_list: Vec<[&str; 1]> = data.table("budget").columns(["product_id"]);

    // 1: foreign keys and the order of times.
    let mut missing = |what: &str, key: &str| broken.push((1, format!("{what} {key} is nowhere")));
    for [product] in products_list.iter().filter(|[product]| !products.contains_key(product)) {
        missing("the budget's product", product);
    }
    for [user, address, ..] in users.values().filter(|user| !addresses.contains_key(user[1])) {
        missing(&format!("the address of user {user}"), address);
    }
    for [order, user, address, promo, ..] in orders.values() {
        if !users.contains_key(user) {
            missing(&format!("the user of order {order}"), user);
        }
        if !addresses.contains_key(address) {
            missing(&format!("the address of order {order}"), address);
        }
        if !promo.is_empty() && !promos.contains_key(promo) {
            missing(&format!("the promo of order {order}"), promo);
        }
    }
    let mut items_of: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for [order, product, quantity] in items.columns(["order_id", "product_id", "quantity"]) {
        if !orders.contains_key(order) {
            missing("the order of an item", order);
        }
        if !products.contains_key(product) {
            missing("the product of an item", product);
        }
        items_of.entry(order).or_default().push((product, quantity));
    }
    for [user, _, created, updated, synced] in users.values() {
        match (instant(created), instant(updated), instant(synced)) {
            (Ok(created), Ok(updated), Ok(synced)) if created <= updated && updated <= synced => {}
            times => broken.push((1, format!("user {user}: {times:?}"))),
        }
    }
    let created = |user: &str| users.get(user).and_then(|user| instant(user[2]).ok()).unwrap_or(i64::MIN);
    for [order, user, _, _, time, ..] in orders.values() {
        if !instant(time).is_ok_and(|time| time >= created(user)) {
            broken.push((1, format!("order {order} of {time} is before its user")));
        }
    }

    // 2: sums.
    for [order, _, _, promo, _, cost, shipping, total, ..] in orders.values() {
        let sum = || -> Result<(i64, i64), String> {
            let mut sum = 0;
            for (product, quantity) in items_of.get(order).into_iter().flatten() {
                sum += whole(quantity)? * cents(products.get(product).map_or("", |product| product[1]))?;
            }
            let discount = promos.get(promo).map_or(Ok(0), |promo| whole(promo[1]))? * 100;
            Ok((sum, sum + cents(shipping)? - discount))
        };
        match (sum(), cents(cost), cents(total)) {
            (Ok((items, paid)), Ok(cost), Ok(total)) if items == cost && paid == total && items > 0 && total >= 0 => {}
            sums => broken.push((2, format!("order {order}: {sums:?}"))),
        }
    }

    // 3 and 4: sessions and events.
    let mut sessions: BTreeMap<&str, Vec<Event>> = BTreeMap::new();
    let columns = ["session_id", "event_type", "user_id", "product_id", "order_id", "page_url", "created_at"];
    for [session, kind, user, product, order, url, time] in events.columns(columns) {
        let time = wall(time).unwrap_or_else(|error| {
            broken.push((3, error));
            i64::MIN
        });
        sessions.entry(session).or_default().push(Event { kind, user, product, order, url, time });
    }
    let rank = |kind: &str| ["page_view", "add_to_cart", "checkout", "package_shipped"].iter().position(|k| *k == kind);
    let mut checkouts: HashMap<&str, Vec<(&str, i64)>> = HashMap::new();
    let mut shipments: HashMap<&str, usize> = HashMap::new();
    let mut carts: HashMap<&str, Vec<&str>> = HashMap::new();
    for (session, events) in &sessions {
        let is_sorted = events.is_sorted_by(|a, b| rank(a.kind) <= rank(b.kind) && a.time <= b.time);
        let is_whole = events[0].kind == "page_view" && events.iter().all(|event| event.user == events[0].user);
        if !is_sorted || !is_whole {
            broken.push((3, format!("session {session} is out of order or of two users")));
        }
        let mut viewed = HashSet::new();
        for event in events {
            match event.kind {
                "page_view" => {
                    viewed.insert(event.product);
                }
                "add_to_cart" => {
                    if !viewed.contains(event.product) {
                        broken.push((3, format!("session {session} buys {} unseen", event.product)));
                    }
                    carts.entry(session).or_default().push(event.product);
                }
                "checkout" => checkouts.entry(event.order).or_default().push((session, event.time)),
                _ => *shipments.entry(event.order).or_default() += 1,
            }
            let base = "https://plants.example";
            let (page, key, other) = match event.kind {
                "page_view" | "add_to_cart" => ("product", event.product, event.order),
                "checkout" => ("checkout", event.order, event.product),
                _ => ("shipping", event.order, event.product),
            };
            let url = event.url.strip_suffix("?ref=mail").unwrap_or(event.url);
            if key.is_empty() || !other.is_empty() || url != format!("{base}/{page}/{key}") {
                broken.push((4, format!("session {session}: {} of {key} with {other} at {url}", event.kind)));
            }
            if page == "product" && !products.contains_key(key) || page != "product" && !orders.contains_key(key) {
                broken.push((1, format!("{page} {key} of an event is nowhere")));
            }
            if !users.contains_key(event.user) {
                broken.push((1, format!("user {} of an event is nowhere", event.user)));
            }
        }
    }

    // 5 and 6: orders and their events.
    for (order, row) in &orders {
        match checkouts.get(order).map(Vec::as_slice) {
            Some([(session, time)]) => {
                let cart: BTreeSet<&&str> = carts.get(session).into_iter().flatten().collect();
                let items: BTreeSet<&&str> = items_of.get(order).into_iter().flatten().map(|(item, _)| item).collect();
                if cart != items || instant(row[4]) != Ok(*time) {
                    broken.push((5, format!("order {order}: cart {cart:?}, items {items:?}, {} {time}", row[4])));
                }
            }
            found => broken.push((5, format!("order {order} has the checkouts {found:?}"))),
        }
        let [status, tracking, service, estimate, delivered] = [8, 9, 10, 11, 12].map(|place| row[place]);
        let is_good = match status {
            "preparing" => [tracking, service, estimate, delivered].iter().all(|value| value.is_empty()),
            "shipped" => !tracking.is_empty() && !service.is_empty() && delivered.is_empty(),
            "delivered" => !tracking.is_empty() && !service.is_empty() && instant(delivered) >= instant(row[4]),
            _ => false,
        };
        let shipped = shipments.get(order).copied().unwrap_or(0);
        if !is_good || shipped != usize::from(status != "preparing") {
            broken.push((6, format!("order {order} is {status} with {shipped} shipments: {row:?}")));
        }
    }

    // 7: one row for each key; versions of users, addresses and orders come in later loads.
    let keys: [(&str, &[&str]); 8] = [
        ("addresses", &["address_id", "_fivetran_synced"]),
        ("users", &["user_id", "_fivetran_synced"]),
        ("products", &["product_id"]),
        ("promos", &["promo_id"]),
        ("budget", &["_row"]),
        ("orders", &["order_id", "_fivetran_synced"]),
        ("order_items", &["order_id", "product_id"]),
        ("events", &["event_id"]),
    ];
    for (name, key) in keys {
        let table = data.table(name);
        let places: Vec<usize> = key.iter().map(|name| table.place(name)).collect();
        let mut seen = HashSet::new();
        for row in &table.rows {
            let key: Vec<&str> = places.iter().map(|place| row[*place]).collect();
            if !seen.insert(key.clone()) {
                broken.push((7, format!("{name} {key:?} occurs twice")));
            }
        }
    }
    broken
}

#[track_caller]
fn assert_rules(data: &Data, rules: &[u8]) {
    let broken: Broken = broken(data).into_iter().filter(|(rule, _)| rules.contains(rule)).collect();
    assert!(broken.is_empty(), "{} breaches, such as {:#?}", broken.len(), &broken[..broken.len().min(5)]);
}

/// A clean shop: a first load, and journeys of every kind after it.
fn clean() -> Landing {
    let landing = Landing::init(&["--scale", "4000"]);
    let wishes = [
        "--count",
        "25",
        "--returning",
        "0.4",
        "--abandon",
        "0.2",
        "--update-users",
        "6",
        "--update-addresses",
        "6",
        "--advance-orders",
        "20",
        "--delete-users",
        "3",
    ];
    for day in ["2025-02-01T12:00:00Z", "2025-02-02T12:00:00Z", "2025-02-02T12:00:01Z"] {
        landing.journey(&[&wishes[..], &["--now", day]].concat());
    }
    landing
}

const ALL: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

#[test]
fn greenhouse_keys_exist_and_times_follow_each_other() {
    assert_rules(&clean().data(), &[1]);
}

#[test]
fn greenhouse_orders_add_up() {
    assert_rules(&clean().data(), &[2]);
}

#[test]
fn greenhouse_sessions_go_from_view_to_shipment() {
    assert_rules(&clean().data(), &[3]);
}

#[test]
fn greenhouse_events_name_their_product_or_order() {
    assert_rules(&clean().data(), &[4]);
}

#[test]
fn greenhouse_orders_have_one_checkout_with_their_items() {
    assert_rules(&clean().data(), &[5]);
}

#[test]
fn greenhouse_status_agrees_with_shipment_and_delivery() {
    assert_rules(&clean().data(), &[6]);
}

#[test]
fn greenhouse_keys_are_unique() {
    assert_rules(&clean().data(), &[7]);
}

/// The rules do not hang on the usual options.
#[test]
fn greenhouse_rules_hold_for_odd_shops() {
    let shops: [&[&str]; 5] = [
        &["--scale", "1"],
        &["--scale", "900", "--products", "1", "--promos", "0", "--ids", "uuid"],
        &["--scale", "900", "--products", "2000", "--skew", "3", "--ids", "int64", "--names", "lower"],
        &["--scale", "2500", "--start", "2024-10-31", "--end", "2024-11-07", "--seed", "5"],
        &["--scale", "900", "--set", "users.hub_share=0", "--set", "sessions.page_views=[1]", "--promos", "40"],
    ];
    for options in shops {
        let landing = Landing::init(options);
        landing.journey(&["--count", "4", "--now", "2025-03-01", "--returning", "0.5", "--advance-orders", "3"]);
        assert_rules(&landing.data(), &ALL);
    }
}

/// Journeys within and around an hour that occurs twice, whose wall times are read as the earlier hour.
#[test]
fn greenhouse_journeys_keep_their_order_when_the_clock_is_put_back() {
    let landing = Landing::init(&["--scale", "500"]);
    for minute in ["08:59:30", "09:00:10", "09:30:00", "09:59:58", "10:00:05"] {
        let now = format!("2025-11-02T{minute}Z");
        landing.journey(&["--now", &now, "--count", "6", "--returning", "0.5", "--advance-orders", "4"]);
    }
    assert_rules(&landing.data(), &ALL);
}

/// Takes out the defects that `dirt.ndjson` lists.
fn restore(landing: &Landing) -> Data {
    let mut data = landing.data();
    let mut batches: HashMap<String, &mut Batch> = HashMap::new();
    for batch in data.batches.values_mut().flatten() {
        batches.insert(batch.path.clone(), batch);
    }
    let mut surplus: BTreeSet<(String, usize)> = BTreeSet::new();
    let mut defects = landing.dirt();
    // A torn line is first made whole: it may have other defects as well.
    defects.sort_by_key(|defect| defect["kind"] != "torn");
    for defect in defects {
        let file = defect["file"].as_str().unwrap().to_owned();
        let batch = batches.get_mut(&file).unwrap_or_else(|| panic!("{defect}"));
        match (defect["row"].as_u64(), defect["column"].as_str()) {
            (Some(row), Some(column)) => {
                let place = batch.header.iter().position(|name| name == column).unwrap();
                let value = &mut batch.rows[usize::try_from(row).unwrap() - 1][place];
                assert_eq!(value, defect["found"].as_str().unwrap_or_default(), "{defect}");
                defect["clean"].as_str().unwrap_or_default().clone_into(value);
            }
            (Some(row), None) => {
                surplus.insert((file, usize::try_from(row).unwrap() - 1));
            }
            (None, _) if defect["kind"] == "torn" => {
                let header = batch.header.join(",");
                let whole = parse(&file, &format!("{header}\n{}\n", defect["clean"].as_str().unwrap()));
                batch.rows.last_mut().unwrap().clone_from(&whole.rows[0]);
            }
            (None, _) => {}
        }
    }
    for (file, row) in surplus.into_iter().rev() {
        batches.get_mut(&file).unwrap().rows.remove(row);
    }
    data
}

#[test]
fn greenhouse_lists_every_defect_that_breaks_a_rule() {
    let landing = Landing::init(&["--scale", "30000", "--profile", "messy", "--allow-negative"]);
    let wishes =
        ["--count", "300", "--returning", "0.3", "--advance-orders", "30", "--torn", "users", "--torn", "events"];
    landing.journey(&[&wishes[..], &["--now", "2025-02-01", "--empty", "orders", "--header-only", "budget"]].concat());
    let found: BTreeSet<u8> = broken(&landing.data()).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(found, ALL.into_iter().collect(), "defects break each rule");
    assert_rules(&restore(&landing), &ALL);

    // Every kind occurs, and the manifests count them.
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for defect in landing.dirt() {
        *kinds.entry(defect["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [
        "ambiguous_wall_time",
        "arithmetic",
        "bad_cast",
        "blanks",
        "case",
        "comma",
        "duplicate",
        "empty",
        "empty_text",
        "header_only",
        "late",
        "line_break",
        "negative",
        "newer_version",
        "no_offset",
        "not_ascii",
        "null",
        "orphan",
        "other_offset",
        "quotes",
        "seconds",
        "skipped_wall_time",
        "swapped_day",
        "tab",
        "torn",
    ];
    for kind in expected {
        assert!(kinds.contains_key(kind), "no `{kind}` among {kinds:?}");
    }
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for batch in [1, 2] {
        for (kind, count) in landing.manifest(batch)["defects"].as_object().unwrap() {
            *counted.entry(kind.clone()).or_default() += count.as_u64().unwrap();
        }
    }
    assert_eq!(kinds, counted);
    // Two wall times of each kind for each of the two years' changes of the clock.
    assert_eq!((kinds["ambiguous_wall_time"], kinds["skipped_wall_time"]), (4, 4));
}

#[test]
fn greenhouse_negative_amounts_need_leave() {
    let negatives = |options: &[&str]| {
        let landing = Landing::init(&[&["--scale", "3000", "--set", "dirt.negative=0.05"], options].concat());
        landing.dirt().iter().filter(|defect| defect["kind"] == "negative").count()
    };
    assert_eq!(negatives(&[]), 0);
    assert!(negatives(&["--allow-negative"]) > 20);
}

/// A late record happened up to thirty days before; its load time is that of its batch.
#[test]
fn greenhouse_late_records_are_loaded_now() {
    let landing = Landing::init(&["--scale", "500"]);
    let now = "2025-02-01T12:00:00Z";
    landing.journey(&["--count", "40", "--now", now, "--late", "0.5", "--duplicates", "0.2"]);
    let now = DateTime::parse_from_rfc3339(now).unwrap().timestamp();
    let data = landing.data();
    let late: Vec<i64> = data
        .table("orders")
        .columns(["created_at", "_fivetran_synced"])
        .into_iter()
        .filter(|[_, synced]| instant(synced) == Ok(now))
        .map(|[created, _]| now - instant(created).unwrap())
        .filter(|age| *age > 3600)
        .collect();
    assert!((10..40).contains(&late.len()), "{late:?}");
    assert!(late.iter().all(|age| *age <= Duration::days(31).num_seconds()), "{late:?}");
    assert_rules(&restore(&landing), &ALL);
}

#[test]
fn greenhouse_manifest_tells_rows_times_and_sums() {
    let landing = clean();
    let data = landing.data();
    for batch in 1..=4 {
        let manifest = landing.manifest(batch);
        let file = format!("batch-{batch:06}.csv");
        for table in TABLES {
            let rows = data.batches[table].iter().find(|batch| batch.path.ends_with(&file));
            let told = &manifest["tables"][table];
            assert_eq!(rows.map(|batch| batch.rows.len() as u64), told["rows"].as_u64(), "{table} of {file}");
            let Some(rows) = rows else { continue };
            let column = |name: &str| {
                let place = rows.header.iter().position(|column| column == name);
                place.map(|place| rows.rows.iter().map(move |row| row[place].as_str()))
            };
            let quantity = column("quantity").map(|values| values.map(|value| whole(value).unwrap()).sum::<i64>());
            assert_eq!(quantity, told["sum_quantity"].as_i64(), "{table} of {file}");
            if let Some(totals) = column("order_total") {
                let sum: i64 = totals.map(|value| cents(value).unwrap()).sum();
                assert_eq!(sum, cents(told["sum_order_total"].as_str().unwrap()).unwrap());
            }
            let times: Vec<i64> = match (table, column("created_at")) {
                ("events", Some(times)) => times.map(|time| wall(time).unwrap()).collect(),
                (_, Some(times)) => times.map(|time| instant(time).unwrap()).collect(),
                (_, None) => {
                    vec![DateTime::parse_from_rfc3339(manifest["loaded"].as_str().unwrap()).unwrap().timestamp()]
                }
            };
            let told = ["first_time", "last_time"]
                .map(|name| DateTime::parse_from_rfc3339(told[name].as_str().unwrap()).unwrap().timestamp());
            assert_eq!(told, [*times.iter().min().unwrap(), *times.iter().max().unwrap()], "{table} of {file}");
        }
    }
}
