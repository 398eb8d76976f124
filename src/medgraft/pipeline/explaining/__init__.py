"""The steps of an explanation: whose images, their masks, the pictures and the words."""
