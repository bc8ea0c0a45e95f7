"""AWS on this machine: MiniStack, and the unchanged Pulumi program deployed to it without an account or engine."""
