"""What a photo shows: faces, landmarks, identity, skin."""
