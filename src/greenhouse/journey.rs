//! Buying journeys: people come, look, buy and are sent their order; others change or leave. Each run is a new batch.

use std::collections::BTreeSet;

use crate::batch::{Batch, FileDefects};
use crate::columns::Rows;
use crate::failure::Failure;
use crate::ids::{SESSION_BITS, journey_number};
use crate::manifest::{Change, Manifest, State};
use crate::numbers::{index, rounded};
use crate::people::{Address, HUB, User, first_user, push_address, push_user};
use crate::profile::Journey as Habits;
use crate::random::{Purpose, Stream};
use crate::shop::Shop;
use crate::tables::Table;
use crate::time::DAY;
use crate::visit::{Order, Status, Visit, push_late_shipment, push_order, push_visit};

/// What happens in a batch of journeys.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Journeys.
    pub count: u64,
    /// Share of the journeys that are made by users who are known already.
    pub returning: f64,
    /// Share of the journeys that end before the checkout.
    pub abandon: f64,
    /// Users who change.
    pub update_users: u64,
    /// Addresses that change.
    pub update_addresses: u64,
    /// Orders that get further.
    pub advance_orders: u64,
    /// Users who leave.
    pub delete_users: u64,
}

/// Journeys whose rows are held in memory at once.
const AT_ONCE: u64 = 4096;

/// Random choices of a thing that fits before all things are looked through.
const TRIES: u32 = 64;

/// Someone who comes back has had the account for so long: a session may have to be put before an hour that occurs
/// twice.
const SETTLED: i64 = 4 * 3600;

struct Tables {
    addresses: Rows,
    users: Rows,
    orders: Rows,
    items: Rows,
    events: Rows,
}

/// Makes the rows of a batch.
struct Journeys<'a> {
    shop: &'a Shop,
    habits: &'a Habits,
    state: &'a State,
    batch: u64,
    now: i64,
    changes: Vec<Change>,
    warnings: Vec<String>,
}

/// Writes a batch of journeys aside; it then only has to be published. Also gives what could not be done as wished.
pub fn write(
    batch: &Batch<'_>,
    state: &State,
    habits: &Habits,
    wishes: &Wishes,
    wanted: &FileDefects,
) -> Result<(Manifest, Vec<String>), Failure> {
    let mut journeys = Journeys {
        shop: batch.shop,
        habits,
        state,
        batch: batch.target.batch,
        now: batch.loaded,
        changes: Vec::new(),
        warnings: Vec::new(),
    };
    let mut collector = batch.begin()?;
    let mut begin = 0;
    loop {
        let end = (begin + AT_ONCE).min(wishes.count);
        let mut tables = Tables {
            addresses: batch.rows(Table::Addresses),
            users: batch.rows(Table::Users),
            orders: batch.rows(Table::Orders),
            items: batch.rows(Table::OrderItems),
            events: batch.rows(Table::Events),
        };
        for number in begin..end {
            journeys.journey(&mut tables, wishes, number);
        }
        if end == wishes.count {
            journeys.changes(&mut tables, wishes);
        }
        let Tables { addresses, users, orders, items, events } = tables;
        for rows in [addresses, users, orders, items, events] {
            collector.take(batch.ready(rows, begin == 0)?)?;
        }
        begin = end;
        if end == wishes.count {
            break;
        }
    }
    let manifest = collector.seal("journey", &journeys.changes, wanted)?;
    Ok((manifest, journeys.warnings))
}

impl Journeys<'_> {
    /// One journey.
    fn journey(&mut self, tables: &mut Tables, wishes: &Wishes, journey: u64) {
        let (shop, now) = (self.shop, self.now);
        let number = journey_number(self.batch, journey);
        let mut stream = shop.seeds.stream(Purpose::Journey, number);
        let is_returning = stream.chance(wishes.returning);
        let is_abandoned = stream.chance(wishes.abandon);
        let mut visit = Visit { number, ..Visit::default() };
        while visit.views.len() < 3 {
            let product = if visit.views.len() < shop.products.len() {
                visit.other_product(shop, &mut stream)
            } else {
                shop.choices.products.draw(&mut stream)
            };
            visit.views.push(product);
            visit.cart.push((product, 1));
        }
        let [least, most] = self.habits.quantity.map(rounded);
        visit.cart.drain(..2);
        visit.cart[0].1 = stream.between(least, most);
        let [least, most] = self.habits.gap.map(rounded);
        let gaps: Vec<i64> = (0..5).map(|_| stream.between(least, most)).collect();
        let first = now - stream.between(0, 30) - gaps.iter().sum::<i64>();
        let mut times = vec![first];
        for gap in gaps {
            times.push(times[times.len() - 1] + gap);
        }
        let [mut checkout, shipped] = [times[4], times[5]];
        times.truncate(4);
        visit.times = times;
        visit.avoid_repeated_hour(shop, &mut checkout, shipped, -2 * 3600);
        let shipped = shipped + visit.times[0] - first;
        let age = stream.between(5, 60);
        let returning = if is_returning { self.returning_user(&mut stream) } else { None };
        let user = returning.unwrap_or_else(|| {
            let created = visit.times[0] - age;
            let user = User { number, version: 0, address: number, created, updated: created, is_deleted: false };
            push_address(&mut tables.addresses, shop, &Address { number, version: 0 }, now);
            push_user(&mut tables.users, shop, &user, now);
            self.changes.push(Change::User(user));
            user
        });
        visit.user = user.number;
        if !is_abandoned {
            let order = self.order(&visit, &user, checkout, &mut stream);
            visit.order = Some(order);
            visit.shipped = Some(shipped);
            push_order(&mut tables.orders, shop, &order, now);
            self.changes.push(Change::Order(order));
        }
        push_visit(&mut tables.events, &mut tables.items, shop, &visit, now);
    }

    fn order(&self, visit: &Visit, user: &User, created: i64, stream: &mut Stream) -> Order {
        let shop = self.shop;
        let [least, most] = self.habits.shipping_cost.map(rounded);
        let cost = visit.cart.iter().map(|(product, quantity)| shop.products[*product].cents * quantity).sum();
        let shipping = stream.between(least, most);
        let promo = shop.promo_for(cost + shipping, stream);
        let service = index(stream.below(crate::visit::SERVICES.len() as u64));
        Order {
            number: visit.number,
            user: user.number,
            address: user.address,
            created,
            promo,
            cost,
            shipping,
            total: cost + shipping - promo.map_or(0, |promo| shop.promos[promo].discount_cents),
            service,
            estimated_days: Some(rounded(self.habits.estimated_days)),
            delivered: created,
            status: Status::Shipped,
        }
    }

    /// What changes beside the journeys.
    fn changes(&mut self, tables: &mut Tables, wishes: &Wishes) {
        let (shop, now) = (self.shop, self.now);
        let mut stream = shop.seeds.stream(Purpose::Changes, self.batch);
        let mut touched = BTreeSet::new();
        self.times(wishes.update_users, "users could be changed", |journeys| {
            let mut user = journeys.some_user(&mut stream, &mut touched, now)?;
            user.version += 1;
            user.updated = journeys.shortly_before(&mut stream, user.updated);
            push_user(&mut tables.users, shop, &user, now);
            Some(Change::User(user))
        });
        self.times(wishes.delete_users, "users could be deleted", |journeys| {
            let mut user = journeys.some_user(&mut stream, &mut touched, now)?;
            user.is_deleted = true;
            user.updated = journeys.shortly_before(&mut stream, user.updated);
            push_user(&mut tables.users, shop, &user, now);
            Some(Change::User(user))
        });
        let mut touched = BTreeSet::new();
        self.times(wishes.update_addresses, "addresses could be changed", |journeys| {
            let state = journeys.state;
            let count = shop.addresses + state.new_users.len() as u64;
            let mut address = pick(&mut stream, count, |place| {
                let number = match place.checked_sub(shop.addresses) {
                    Some(place) => state.new_users[index(place)],
                    None => place,
                };
                let address = state.addresses.get(&number).copied().unwrap_or(Address { number, version: 0 });
                touched.insert(number).then_some(address)
            })?;
            address.version += 1;
            push_address(&mut tables.addresses, shop, &address, now);
            Some(Change::Address(address))
        });
        let mut touched = BTreeSet::new();
        self.times(wishes.advance_orders, "orders could be advanced: no other one is open", |journeys| {
            let mut order = journeys.open_order(&mut stream, &mut touched)?;
            let time = journeys.shortly_before(&mut stream, order.created);
            if order.status == Status::Preparing {
                order.status = Status::Shipped;
                let days = (now - order.created).div_euclid(DAY) + stream.between(1, 5);
                order.estimated_days = order.estimated_days.map(|_| days);
                push_late_shipment(&mut tables.events, shop, &order, time, now);
            } else {
                order.status = Status::Delivered;
                order.delivered = time;
            }
            push_order(&mut tables.orders, shop, &order, now);
            Some(Change::Order(order))
        });
    }

    /// Does something so many times, or as often as it can be done.
    fn times(&mut self, count: u64, what: &str, mut act: impl FnMut(&mut Self) -> Option<Change>) {
        for done in 0..count {
            match act(self) {
                Some(change) => self.changes.push(change),
                None => {
                    self.warnings.push(format!("only {done} of {count} {what}"));
                    return;
                }
            }
        }
    }

    /// A time within the last hour, not before another one and not in the second pass of an hour that occurs twice.
    fn shortly_before(&self, stream: &mut Stream, earliest: i64) -> i64 {
        let time = self.now - stream.between(1, 3600);
        let time = if self.shop.zone.is_repeated(time) { time - 3600 } else { time };
        time.max(earliest)
    }

    /// The newest version of the user at a place among all users of earlier batches.
    fn user_at(&self, place: u64) -> User {
        let state = self.state;
        match place.checked_sub(self.shop.users) {
            Some(place) => {
                let number = state.new_users[index(place)];
                state.users.get(&number).copied().unwrap_or_else(|| first_user(self.shop, HUB).0)
            }
            None => state.users.get(&place).copied().unwrap_or_else(|| first_user(self.shop, place).0),
        }
    }

    fn all_users(&self) -> u64 {
        self.shop.users + self.state.new_users.len() as u64
    }

    fn returning_user(&self, stream: &mut Stream) -> Option<User> {
        let latest = self.now - SETTLED;
        pick(stream, self.all_users(), |place| {
            let user = self.user_at(place);
            (!user.is_deleted && user.created <= latest).then_some(user)
        })
    }

    /// A user who was not deleted and is not touched yet.
    fn some_user(&self, stream: &mut Stream, touched: &mut BTreeSet<u64>, latest: i64) -> Option<User> {
        pick(stream, self.all_users(), |place| {
            let user = self.user_at(place);
            (!user.is_deleted && user.created <= latest && touched.insert(user.number)).then_some(user)
        })
    }

    /// An order that has not been delivered and is not touched yet.
    fn open_order(&self, stream: &mut Stream, touched: &mut BTreeSet<u64>) -> Option<Order> {
        let shop = self.shop;
        let state = self.state;
        let mut visit = Visit::default();
        let mut order_of = |user: &User, session: u64| {
            let number = user.number << SESSION_BITS | session;
            state.orders.get(&number).copied().or_else(|| {
                visit.draw(shop, user, number);
                visit.order
            })
        };
        let mut open = |order: Option<Order>| {
            order.filter(|order| order.status != Status::Delivered && touched.insert(order.number))
        };
        let hub_end = shop.users + shop.hub_sessions;
        pick(stream, hub_end + state.new_orders.len() as u64, |place| {
            if let Some(place) = place.checked_sub(hub_end) {
                return open(state.orders.get(&state.new_orders[index(place)]).copied());
            }
            if let Some(session) = place.checked_sub(shop.users) {
                let (hub, _) = first_user(shop, HUB);
                return open(order_of(&hub, session));
            }
            let (user, sessions) = first_user(shop, place);
            let is_hub = place == HUB && shop.hub_sessions > 0;
            (0..if is_hub { 0 } else { sessions }).find_map(|session| open(order_of(&user, session)))
        })
    }
}

/// A thing that fits, at one of so many places: first at random, then one after the other.
fn pick<T>(stream: &mut Stream, places: u64, mut fits: impl FnMut(u64) -> Option<T>) -> Option<T> {
    for _ in 0..TRIES {
        if let Some(thing) = fits(stream.below(places)) {
            return Some(thing);
        }
    }
    let start = stream.below(places);
    (start..places).chain(0..start).find_map(fits)
}
