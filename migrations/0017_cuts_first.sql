-- Whatever ends somebody's access starts before anything else that is due.
CREATE INDEX steps_ready_cuts ON steps (due_at)
    WHERE due_at IS NOT NULL AND lane = 1
      AND action IN ('account.disable', 'password.rotate', 'sessions.revoke', 'app_passwords.revoke', 'tokens.revoke', 'access.remove', 'mail.clear_rules', 'product.block', 'mail.maintenance');
