//! The small tables: products, promotions, and the budget of each product and month.

use crate::columns::Rows;
use crate::numbers::{float, index, rounded, signed};
use crate::random::Purpose;
use crate::shop::Shop;

/// Adds all products, loaded at an instant.
pub fn push_products(rows: &mut Rows, shop: &Shop, synced: i64) {
    for (number, product) in shop.products.iter().enumerate() {
        rows.tally.time(synced);
        rows.row(number as u64)
            .id(&product.id)
            .money(product.cents)
            .text(&product.name)
            .int(product.inventory)
            .null()
            .instant(synced, None);
    }
}

/// Adds all promotions, loaded at an instant.
pub fn push_promos(rows: &mut Rows, shop: &Shop, synced: i64) {
    for (number, promo) in shop.promos.iter().enumerate() {
        rows.tally.time(synced);
        rows.row(number as u64)
            .text(&promo.name)
            .int(promo.discount_cents / 100)
            .text(if promo.is_active { "active" } else { "inactive" })
            .null()
            .instant(synced, None);
    }
}

/// Adds the budget: one row for each month and product, loaded at an instant.
pub fn push_budget(rows: &mut Rows, shop: &Shop, synced: i64) {
    let expected = shop.expected_units();
    let [least, most] = shop.settings.profile.budget.spread;
    let months = shop.budget_months();
    let products = shop.products.len() as u64;
    for (place, month_end) in months.iter().enumerate() {
        for product in 0..products {
            let number = place as u64 * products + product;
            let mut stream = shop.seeds.stream(Purpose::Budget, number);
            let quantity = rounded(expected * (least + (most - least) * stream.unit())).max(1);
            rows.tally.quantity += quantity;
            rows.tally.time(synced);
            rows.row(number)
                .int(signed(number) + 1)
                .id(&shop.products[index(product)].id)
                .date(*month_end)
                .int(quantity)
                .instant(synced, None);
        }
    }
    // A budget below one unit a product is one unit.
    debug_assert!(expected >= 0.0 && float(products) > 0.0);
}
