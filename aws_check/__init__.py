"""The program deployed to a real account for some minutes: what AWS does, beside what this project assumes."""
