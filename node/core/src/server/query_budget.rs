//! The budget of a query that came by, and the part that is given back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::http::{HeaderMap, HeaderValue};
use node_wire::budget::{Budget, LEFT_HEADER};

/// The budget of a query, and the part of it that was not needed.
#[derive(Clone, Debug)]
pub(super) struct QueryBudget {
    said: Option<Budget>,
    /// No more of it is used.
    most: Budget,
    left: Arc<AtomicUsize>,
}

impl QueryBudget {
    /// Creates the budget of a request with this header, of a caller that may have `most`.
    pub(super) fn new(header: Option<&str>, most: Budget) -> QueryBudget {
        let said = header.and_then(Budget::from_header);
        QueryBudget {
            said,
            most,
            left: Arc::new(said.unwrap_or(Budget::NONE).calls().into()),
        }
    }

    /// Returns the calls that it may cause.
    pub(super) fn given(&self) -> Budget {
        self.said.unwrap_or(Budget::UNSAID).min(self.most)
    }

    /// Notes that so many calls of those given were not needed.
    pub(super) fn leave(&self, left: Budget) {
        let said = self.said.unwrap_or(Budget::NONE).calls();
        let unused = said.saturating_sub(self.given().calls());
        self.left.store(unused + left.calls(), Ordering::Relaxed);
    }

    /// Adds the unused budget to an answer, if the request gave a budget.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if self.said.is_some() {
            let left = Budget::of(self.left.load(Ordering::Relaxed));
            let left = HeaderValue::from(u16::try_from(left.calls()).unwrap_or(u16::MAX));
            headers.insert(LEFT_HEADER, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(budget: &QueryBudget) -> Option<String> {
        let mut headers = HeaderMap::new();
        budget.tell(&mut headers);
        let left = headers.get(LEFT_HEADER)?;
        Some(left.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_answer_reports_the_unused_budget() {
        let budget = QueryBudget::new(Some("7"), Budget::WHOLE);
        assert_eq!(budget.given().calls(), 7);
        assert_eq!(told(&budget).as_deref(), Some("7"));
        budget.leave(Budget::of(3));
        assert_eq!(told(&budget).as_deref(), Some("3"));
    }

    #[test]
    fn nobody_has_more_than_it_may_and_the_rest_is_given_back() {
        let budget = QueryBudget::new(Some("50"), Budget::UNSAID);
        assert_eq!(budget.given(), Budget::UNSAID);
        assert_eq!(told(&budget).as_deref(), Some("50"));
        budget.leave(Budget::of(2));
        assert_eq!(told(&budget).as_deref(), Some("20"));
        let known = QueryBudget::new(Some("50"), Budget::WHOLE);
        assert_eq!(known.given().calls(), 50);
    }

    #[test]
    fn who_gave_none_hears_of_none() {
        for header in [None, Some("many")] {
            let budget = QueryBudget::new(header, Budget::WHOLE);
            assert_eq!(budget.given(), Budget::UNSAID);
            assert_eq!(told(&budget), None);
        }
    }
}
