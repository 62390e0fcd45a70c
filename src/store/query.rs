//! Named queries, one SQL text for both databases, and the macros that run them on whichever is there.

/// A query with a name for errors. Where one text cannot serve both databases, it has two.
#[derive(Debug)]
pub struct Query {
    /// Its name, as in the code.
    pub name: &'static str,
    /// What SQLite runs.
    pub sqlite: &'static str,
    /// What PostgreSQL runs.
    pub postgres: &'static str,
}

/// Rows as one JSON array, which a statement takes as one value.
pub(super) fn json<T: serde::Serialize>(rows: impl IntoIterator<Item = T>) -> String {
    let mut text = Vec::from(*b"[");
    for row in rows {
        if text.len() > 1 {
            text.push(b',');
        }
        // What is written into memory is written, and plain values have a form.
        let _ = serde_json::to_writer(&mut text, &row);
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// Declares the named queries of a file, and `ALL` which lists them for the test that prepares every one.
///
/// A text in parentheses is put together of parts, of which a macro may give some.
///
/// `deliveries set "…" where "…"` changes all deliveries that are such. On PostgreSQL it locks them one after the other by
/// their ids, as marks do: whoever takes several in another order would wait for somebody who waits for them.
macro_rules! queries {
    (@one $name:ident, deliveries set $set:literal where $which:literal) => {
        $crate::store::query::queries!(@one $name, deliveries set $set where sqlite $which postgres $which);
    };
    (@one $name:ident, deliveries set $set:literal where sqlite $sqlite:literal postgres $postgres:literal) => {
        const $name: $crate::store::Query = $crate::store::Query {
            name: stringify!($name),
            sqlite: concat!("update deliveries set ", $set, " where ", $sqlite),
            postgres: concat!(
                "with next as (select deliveries.id from deliveries where ",
                $postgres,
                " order by deliveries.id for update of deliveries) update deliveries set ",
                $set,
                " from next where deliveries.id = next.id"
            ),
        };
    };
    (@one $name:ident, sqlite ($($sqlite:tt)+) postgres ($($postgres:tt)+)) => {
        const $name: $crate::store::Query =
            $crate::store::Query { name: stringify!($name), sqlite: concat!($($sqlite)+), postgres: concat!($($postgres)+) };
    };
    (@one $name:ident, sqlite $sqlite:literal postgres $postgres:literal) => {
        const $name: $crate::store::Query =
            $crate::store::Query { name: stringify!($name), sqlite: $sqlite, postgres: $postgres };
    };
    (@one $name:ident, $sql:expr) => {
        const $name: $crate::store::Query = $crate::store::Query { name: stringify!($name), sqlite: $sql, postgres: $sql };
    };
    ($($name:ident = { $($sql:tt)+ };)+) => {
        $($crate::store::query::queries!(@one $name, $($sql)+);)+
        /// The queries of this file.
        pub(super) const ALL: &[$crate::store::Query] = &[$($name),+];
    };
}

/// `fetch_all!(session, QUERY as Row, binds…)`: a vector of rows.
macro_rules! fetch_all {
    ($session:expr, $query:ident as $row:ty $(, $bind:expr)* $(,)?) => {
        $crate::store::query::run!($session, fetch_all, $query, $row $(, $bind)*)
    };
}

/// `fetch_optional!(session, QUERY as Row, binds…)`: the first row, if there is one.
macro_rules! fetch_optional {
    ($session:expr, $query:ident as $row:ty $(, $bind:expr)* $(,)?) => {
        $crate::store::query::run!($session, fetch_optional, $query, $row $(, $bind)*)
    };
}

/// `fetch_one!(session, QUERY as Row, binds…)`: the one row that there always is.
macro_rules! fetch_one {
    ($session:expr, $query:ident as $row:ty $(, $bind:expr)* $(,)?) => {
        $crate::store::query::run!($session, fetch_one, $query, $row $(, $bind)*)
    };
}

macro_rules! run {
    ($session:expr, $method:ident, $query:ident, $row:ty $(, $bind:expr)*) => {
        match $session.connection() {
            $crate::store::Connection::Sqlite(connection) => {
                sqlx::query_as::<sqlx::Sqlite, $row>($query.sqlite)$(.bind($bind))*.$method(connection).await
            }
            $crate::store::Connection::Postgres(connection) => {
                sqlx::query_as::<sqlx::Postgres, $row>($query.postgres)$(.bind($bind))*.$method(connection).await
            }
        }
        .map_err(|source| $crate::store::StoreError::Query { query: $query.name, source })
    };
}

/// `execute!(session, QUERY, binds…)`: how many rows it changed.
macro_rules! execute {
    ($session:expr, $query:ident $(, $bind:expr)* $(,)?) => {
        match $session.connection() {
            $crate::store::Connection::Sqlite(connection) => {
                sqlx::query::<sqlx::Sqlite>($query.sqlite)$(.bind($bind))*.execute(connection).await.map(|done| done.rows_affected())
            }
            $crate::store::Connection::Postgres(connection) => {
                sqlx::query::<sqlx::Postgres>($query.postgres)$(.bind($bind))*.execute(connection).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|source| $crate::store::StoreError::Query { query: $query.name, source })
    };
}

pub(super) use {execute, fetch_all, fetch_one, fetch_optional, queries, run};
