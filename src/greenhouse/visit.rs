//! Sessions: what a user looks at, puts into the cart and orders, and when.

use serde::{Deserialize, Serialize};

use crate::columns::Rows;
use crate::ids::{EVENT_BITS, Entity, LATE_SHIPMENT};
use crate::numbers::{count, index, real, rounded};
use crate::people::User;
use crate::random::{Purpose, Stream};
use crate::shop::{BASE_URL, Shop};
use crate::time::{DAY, instant_text};

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing was sent yet.
    Preparing,
    /// On its way.
    Shipped,
    /// Arrived.
    Delivered,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
        }
    }
}

/// The carriers, in the order of the profile's weights.
pub const SERVICES: [&str; 4] = ["ups", "fedex", "usps", "dhl"];

/// An order. What its status does not show yet is decided all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Number of the order, which is also its session's.
    pub number: u64,
    /// Number of the user.
    pub user: u64,
    /// Number of the address it goes to.
    pub address: u64,
    /// When it was placed: at the checkout.
    #[serde(with = "instant_text")]
    pub created: i64,
    /// Number of the promotion.
    pub promo: Option<usize>,
    /// Cost of the items in cents.
    pub cost: i64,
    /// Cost of shipping in cents.
    pub shipping: i64,
    /// What is paid, in cents.
    pub total: i64,
    /// Place of the carrier in [`SERVICES`].
    pub service: usize,
    /// Days from the order to its estimated delivery; none for orders without an estimate.
    pub estimated_days: Option<i64>,
    /// When it arrives.
    #[serde(with = "instant_text")]
    pub delivered: i64,
    /// How far it is.
    pub status: Status,
}

/// A session. The memory is used again for the next one.
#[derive(Debug, Default)]
pub struct Visit {
    /// Number of the session.
    pub number: u64,
    /// Number of the user.
    pub user: u64,
    /// Numbers of the products looked at.
    pub views: Vec<usize>,
    /// Numbers of the products put into the cart, all different, with the units that an order takes.
    pub cart: Vec<(usize, i64)>,
    /// Times of the views, then of the cart's products.
    pub times: Vec<i64>,
    /// The order, if the session has a checkout.
    pub order: Option<Order>,
    /// When the order was shipped; none before.
    pub shipped: Option<i64>,
}

impl Visit {
    /// The session of a user of the first load.
    pub fn draw(&mut self, shop: &Shop, user: &User, number: u64) {
        let profile = &shop.settings.profile;
        let choices = &shop.choices;
        let stream = &mut shop.seeds.stream(Purpose::Session, number);
        self.number = number;
        self.user = user.number;
        // One number decides how much is looked at and how much is bought: who buys more has looked at more. With the
        // default weights nobody then buys more than was looked at, and both have their distribution exactly.
        let level = stream.unit();
        let depth = stream.unit();
        let has_checkout = depth < profile.sessions.with_checkout;
        let has_cart = depth < profile.sessions.with_cart;
        let items = match (has_checkout, has_cart) {
            (true, _) => choices.items.place(level) + 1,
            (false, true) => choices.items_left_behind.place(level) + 1,
            (false, false) => 0,
        };
        let items = items.min(shop.products.len());
        let views = (choices.page_views.place(level) + 1).max(items);
        self.cart.clear();
        let quantity = profile.orders.quantity.map(rounded);
        for _ in 0..items {
            let product = self.other_product(shop, stream);
            self.cart.push((product, stream.between(quantity[0], quantity[1])));
        }
        self.views.clear();
        self.views.extend(self.cart.iter().map(|(product, _)| *product));
        while self.views.len() < views {
            self.views.push(choices.products.draw(stream));
        }
        for last in (1..self.views.len()).rev() {
            self.views.swap(last, index(stream.below(last as u64 + 1)));
        }
        let first = Self::first_time(shop, user, stream);
        self.times.clear();
        let mut time = first;
        for _ in 0..self.views.len() + self.cart.len() {
            self.times.push(time);
            time += choices.gaps.draw(stream);
        }
        self.order = None;
        self.shipped = None;
        if has_checkout {
            let hours = profile.sessions.shipped_after_hours.map(|hours| rounded(hours * 3600.0));
            let shipped = time + stream.between(hours[0], hours[1]);
            self.avoid_repeated_hour(shop, &mut time, shipped, DAY);
            let shipped = shipped + (self.times[0] - first);
            let order = draw_order(self, shop, user, time, stream);
            self.shipped = (order.status != Status::Preparing).then_some(shipped);
            self.order = Some(order);
        } else {
            let last = time;
            self.avoid_repeated_hour(shop, &mut time, last, DAY);
        }
    }

    /// A product that is not in the cart yet; there is one.
    pub fn other_product(&self, shop: &Shop, stream: &mut Stream) -> usize {
        let is_new = |product: usize| self.cart.iter().all(|(other, _)| *other != product);
        let mut product = 0;
        for _ in 0..32 {
            product = shop.choices.products.draw(stream);
            if is_new(product) {
                return product;
            }
        }
        // A skew may make nearly all choices the same.
        while !is_new(product) {
            product = (product + 1) % shop.products.len();
        }
        product
    }

    /// When the session begins: any day since the user's account, at an hour of the shop's day.
    fn first_time(shop: &Shop, user: &User, stream: &mut Stream) -> i64 {
        let settings = &shop.settings;
        let earliest = user.created.max(settings.start);
        let some_time = earliest + signed_below(stream, settings.end - earliest);
        let hour = shop.choices.hours.draw(stream);
        let second = real(DAY / 24) * (real(rounded_index(hour)) + stream.unit());
        let midnight = shop.zone.wall(some_time).div_euclid(DAY) * DAY;
        let time = midnight + rounded(second.floor()) - shop.zone.offset(some_time);
        if time < earliest {
            time + DAY
        } else if time >= settings.end {
            time - DAY
        } else {
            time
        }
    }

    /// Moves a session that touches an hour which occurs twice. The wall time of its second pass would be read as the
    /// first pass, before what happened earlier.
    pub fn avoid_repeated_hour(&mut self, shop: &Shop, checkout: &mut i64, last: i64, by: i64) {
        let first = self.times[0];
        let touches = |(turn, change): (i64, i64)| change < 0 && first < turn - change && last >= turn;
        if shop.zone.turns().any(touches) {
            self.times.iter_mut().for_each(|time| *time += by);
            *checkout += by;
        }
    }
}

fn signed_below(stream: &mut Stream, bound: i64) -> i64 {
    i64::try_from(stream.below(u64::try_from(bound).unwrap_or(0))).unwrap_or(0)
}

fn rounded_index(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(0)
}

fn draw_order(visit: &Visit, shop: &Shop, user: &User, created: i64, stream: &mut Stream) -> Order {
    let profile = &shop.settings.profile;
    let orders = &profile.orders;
    let is_elsewhere = stream.chance(profile.addresses.order_elsewhere);
    let elsewhere = stream.below(shop.addresses);
    let [least, most] = orders.shipping_cost.map(rounded);
    let cost = visit.cart.iter().map(|(product, quantity)| shop.products[*product].cents * quantity).sum();
    let shipping = stream.between(least, most);
    let promo = if stream.chance(orders.promo) { shop.promo_for(cost + shipping, stream) } else { None };
    let status = [Status::Delivered, Status::Shipped, Status::Preparing][shop.choices.status.draw(stream)];
    let service = shop.choices.services.draw(stream);
    let [least, most] = orders.estimated_days.map(rounded);
    let estimated_days = stream.between(least, most);
    let estimated_days = (!stream.chance(orders.estimate_missing)).then_some(estimated_days);
    let [least, most] = orders.delivered_days.map(rounded);
    Order {
        number: visit.number,
        user: user.number,
        address: if is_elsewhere { elsewhere } else { user.address },
        created,
        promo,
        cost,
        shipping,
        total: cost + shipping - promo.map_or(0, |promo| shop.promos[promo].discount_cents),
        service,
        estimated_days,
        delivered: created + stream.between(least, most) * DAY,
        status,
    }
}

/// Adds the events of a session and the items of its order, loaded at an instant.
pub fn push_visit(events: &mut Rows, items: &mut Rows, shop: &Shop, visit: &Visit, synced: i64) {
    let user = shop.keys.id(Entity::User, visit.user);
    let session = shop.keys.id(Entity::Session, visit.number);
    let mut number = visit.number << EVENT_BITS;
    let mut times = visit.times.iter();
    let views = visit.views.iter().map(|product| ("page_view", *product));
    let cart = visit.cart.iter().map(|(product, _)| ("add_to_cart", *product));
    for ((event, product), time) in views.chain(cart).zip(&mut times) {
        let product = &shop.products[product];
        events.tally.time(*time);
        events
            .row(number)
            .id(&shop.keys.id(Entity::Event, number))
            .text(&product.url)
            .text(event)
            .id(&user)
            .id(&product.id)
            .id(&session)
            .wall(*time, &shop.zone)
            .null()
            .null()
            .instant(synced, None);
        number += 1;
    }
    let Some(order) = &visit.order else { return };
    let order_id = shop.keys.id(Entity::Order, order.number);
    push_order_event(events, shop, order, OrderEvent::Checkout(order.created), number, synced);
    if let Some(shipped) = visit.shipped {
        push_order_event(events, shop, order, OrderEvent::Shipment(shipped), number + 1, synced);
    }
    for (place, (product, quantity)) in visit.cart.iter().enumerate() {
        items.tally.quantity += quantity;
        items.tally.time(synced);
        items
            .row(visit.number << EVENT_BITS | count(real(rounded_index(place))))
            .id(&order_id)
            .id(&shop.products[*product].id)
            .int(*quantity)
            .null()
            .instant(synced, None);
    }
}

/// What happens to an order, and when.
#[derive(Clone, Copy)]
enum OrderEvent {
    Checkout(i64),
    Shipment(i64),
}

fn push_order_event(events: &mut Rows, shop: &Shop, order: &Order, event: OrderEvent, number: u64, synced: i64) {
    let order_id = shop.keys.id(Entity::Order, order.number);
    let (page, name, time) = match event {
        OrderEvent::Checkout(time) => ("checkout", "checkout", time),
        OrderEvent::Shipment(time) => ("shipping", "package_shipped", time),
    };
    events.tally.time(time);
    events
        .row(number)
        .id(&shop.keys.id(Entity::Event, number))
        .text(&format!("{BASE_URL}/{page}/{}", order_id.text()))
        .text(name)
        .id(&shop.keys.id(Entity::User, order.user))
        .null()
        .id(&shop.keys.id(Entity::Session, order.number))
        .wall(time, &shop.zone)
        .id(&order_id)
        .null()
        .instant(synced, None);
}

/// Adds the shipment of an order that an earlier batch left in preparation.
pub fn push_late_shipment(events: &mut Rows, shop: &Shop, order: &Order, shipped: i64, synced: i64) {
    let number = order.number << EVENT_BITS | LATE_SHIPMENT;
    push_order_event(events, shop, order, OrderEvent::Shipment(shipped), number, synced);
}

/// Adds a version of an order, loaded at an instant.
pub fn push_order(rows: &mut Rows, shop: &Shop, order: &Order, synced: i64) {
    let zone = Some(&shop.zone);
    let is_shipped = order.status != Status::Preparing;
    rows.tally.total_cents += order.total;
    rows.tally.time(order.created);
    rows.row(order.number).id(&shop.keys.id(Entity::Order, order.number));
    if is_shipped {
        rows.text(SERVICES[order.service]);
    } else {
        rows.null();
    }
    rows.money(order.shipping).id(&shop.keys.id(Entity::Address, order.address)).instant(order.created, zone);
    match order.promo {
        Some(promo) => rows.text(&shop.promos[promo].name),
        None => rows.null(),
    };
    match order.estimated_days {
        Some(days) if is_shipped => rows.instant(order.created + days * DAY, zone),
        _ => rows.null(),
    };
    rows.money(order.cost).id(&shop.keys.id(Entity::User, order.user)).money(order.total);
    match order.status {
        Status::Delivered => rows.instant(order.delivered, zone),
        _ => rows.null(),
    };
    if is_shipped {
        rows.id(&shop.keys.id(Entity::Tracking, order.number));
    } else {
        rows.null();
    }
    rows.text(order.status.text()).null().instant(synced, None);
}
