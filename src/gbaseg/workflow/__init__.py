"""What the stages share: their frame, where everything lies, what is known before and after them, and pictures."""
