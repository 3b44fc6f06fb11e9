"""What customers bring, less what their calls cost: by tenant, plan and feature, exact."""
