//! The subscribers to changes.
//!
//! A [`Publisher`] calls its subscribers one after the other, on the thread that publishes; they take no longer than
//! a few statements. A [`Subscription`] ends when it is dropped, so that a subscriber never outlives its owner.

use std::{
    fmt,
    sync::{Arc, Mutex, Weak},
};

use node_base::sync::lock;

type Listener<T> = dyn Fn(&T) + Send + Sync;

/// Subscribers to news of one kind.
pub(crate) struct Publisher<T> {
    listeners: Mutex<Vec<Weak<Listener<T>>>>,
}

/// The right to be called. Dropping it ends it.
#[must_use = "a subscription that is dropped has ended"]
pub struct Subscription<T> {
    _listener: Arc<Listener<T>>,
}

impl<T> Publisher<T> {
    /// Has `listener` called with everything that is published from now on.
    pub(crate) fn subscribe(
        &self,
        listener: impl Fn(&T) + Send + Sync + 'static,
    ) -> Subscription<T> {
        let listener: Arc<Listener<T>> = Arc::new(listener);
        let mut listeners = lock(&self.listeners);
        listeners.retain(|other| other.strong_count() > 0);
        listeners.push(Arc::downgrade(&listener));
        Subscription {
            _listener: listener,
        }
    }

    /// Calls the subscribers, in the order in which they came.
    pub(crate) fn publish(&self, news: &T) {
        let listeners: Vec<_> = {
            let listeners = lock(&self.listeners);
            listeners.iter().filter_map(Weak::upgrade).collect()
        };
        for listener in listeners {
            listener(news);
        }
    }
}

impl<T> Default for Publisher<T> {
    fn default() -> Publisher<T> {
        Publisher {
            listeners: Mutex::default(),
        }
    }
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = lock(&self.listeners).len();
        f.debug_tuple("Publisher").field(&count).finish()
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_are_called_in_order_until_they_are_dropped() {
        let publisher = Publisher::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let subscribe = |name: &'static str| {
            let heard = Arc::clone(&heard);
            publisher.subscribe(move |news: &u8| lock(&heard).push((name, *news)))
        };
        let (first, second) = (subscribe("first"), subscribe("second"));
        publisher.publish(&1);
        drop(first);
        publisher.publish(&2);
        drop(second);
        publisher.publish(&3);
        let expected = [("first", 1), ("second", 1), ("second", 2)];
        assert_eq!(*lock(&heard), expected);
    }
}
