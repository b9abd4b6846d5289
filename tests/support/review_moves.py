"""Which decisions an item allows."""

from __future__ import annotations

#: From what a decision is allowed, and what comes of it.
ALLOWED = {
    "approve": ("approved", {"pending", "rejected", "revoked", "expired", "mandatory"}),
    "mandate": ("mandatory", {"pending", "rejected", "revoked", "expired", "approved"}),
    "reject": ("rejected", {"pending"}),
    "revoke": ("revoked", {"approved", "mandatory"}),
}
