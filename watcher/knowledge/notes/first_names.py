"""First names: who is called by one is a person, and a note that names people is theirs.

Left out are those that are words, places or software as well (Mark, Paris, Julia).
"""

from __future__ import annotations

import re
from functools import cache

_NAMES = """
Aaron Abby Abdul Abena Abigail Achim Adaeze Adam Adel Adrian Adwoa Agata Agnes Agnieszka Ahmed Ahmet Aisha Ajay Akira
Akosua Alan Albert Alejandro Aleksander Aleksandra Alessandra Alessandro Alex Alexander Alexandra Alexis Alfonso Alfred
Ali Alice Alicia Alicja Alina Aliyah Allison Alma Alvaro Amadou Amanda Amara Amelia Amelie Amin Amina Amir Amit Amrita
Amy Ana Anand Anastasia Anaya Anders Andre Andrea Andreas Andrej Andrew Andrey Andrzej Andy Aneta Angela Angelika
Angelo Anil Anita Anja Anjali Anke Ann Anna Anne Annette Annika Anthony Antje Antoine Anton Antonia Antonina Antonio
Anuj Anya Arash Arda Arjun Arne Arthur Arturo Ashley Ashok Asif Astrid Aurelie Axel Ayesha Aylin Ayse Azadeh Babak
Baptiste Barbara Bartosz Beata Beate Beatrice Beatriz Ben Bence Benedikt Bengt Benjamin Bernd Bernhard Berta Bettina
Bianca Bilal Birgit Bjarne Bjorn Bob Bogdan Bojan Boris Borys Brandon Brenda Brian Brigid Brigitte Bruno Burak Caitlin
Camila Camille Carl Carla Carlos Carmen Carol Carolin Caroline Catherine Cecilia Cedric Charles Charlie Charlotte Chen
Chidi Chinedu Chioma Chloe Chris Christian Christiane Christina Christine Christoph Christopher Ciara Ciaran Claire
Clara Claudia Claus Clemens Clement Colin Connie Connor Corinna Cornelia Cosima Cristina Cynthia Dagmar Dalia Damian
Damir Dan Daniel Daniela Danielle Danuta Daria Dario Dariusz Darren Dave David Debbie Deborah Deepa Deepak Denis Denise
Deniz Dennis Derek Desmond Devika Diana Diane Diego Dieter Dietmar Dilip Dimitri Dirk Divya Dmitri Dmitry Dmytro
Dolores Dominik Dominika Donald Doris Dorothea Doug Douglas Dragan Duncan Dylan Eberhard Eddie Edgar Edith Eduardo
Edward Edwin Edyta Efua Eileen Ekaterina Elaine Eleanor Elena Eli Elias Elif Elisa Elisabeth Elizabeth Elke Ella Ellen
Elodie Emeka Emil Emilia Emilie Emily Emma Emre Enrique Eric Erica Erik Erika Ernst Esther Ethan Eugen Eva Evelyn Ewa
Ewan Fabian Fabio Faisal Farah Fatima Fatma Federico Felix Ferdinand Fernando Filip Filippo Fiona Fionn Florian
Francesca Francesco Francois Frank Franz Franziska Fred Frederic Frederik Frieda Friederike Friedrich Fritz Gabriel
Gabriela Gabriele Gareth Gary Gaurav Gavin Genevieve Geoff Georg George Gerald Gerd Gerhard Gerry Gertrud Giorgio
Giovanni Gisela Gita Giulia Giuseppe Goran Gordon Greg Gregor Greta Grzegorz Gudrun Guido Guillaume Gunnar Gustav
Gustavo Gwen Hakan Halima Hamid Hana Hanna Hannah Hannes Hans Harald Harriet Harry Haruka Hasan Hassan Heather Heidi
Heike Heinrich Heinz Helen Helena Helga Helmut Hendrik Henning Henri Henrik Henry Herbert Hermann Hilda Hiroshi Holger
Howard Hussein Ian Ibrahim Ibtissam Ignacio Igor Ikenna Ilse Ilya Imran Indira Ines Inga Inge Ingo Ingrid Ioana Irene
Irfan Irina Isaac Isabel Isabella Isabelle Ismail Ivan Iwona Jacek Jack Jacob Jacques Jadwiga Jagoda Jakob Jakub Jamal
James Jamie Jan Jana Jane Janek Janet Janina Janine Jarek Jaroslav Jasmin Jason Javier Jean Jeff Jelena Jennifer Jenny
Jens Jeremy Jerome Jessica Jim Jiri Joachim Joan Joana Joanna Joao Jochen Joe Joel Johan Johanna Johannes John Jolanta
Jonas Jonathan Jorg Jorge Jorn Jose Josef Joseph Josephine Joshua Jozef Juan Judith Juergen Jules Julian Juliane Julie
Julio Justin Justyna Jutta Kai Kaito Kamala Kamil Kamila Kareem Karen Karim Karin Karl Karla Karolina Karsten Kasia
Katarina Katarzyna Kate Katharina Kathrin Kathy Katja Katrin Kavita Kazimierz Keiko Keith Kelechi Kemal Ken Kenji
Kerstin Kevin Khalid Kim Klaus Kofi Konrad Konstantin Krystian Krystyna Krzysztof Kumar Kurt Kwame Kyle Lakshmi Lara
Larry Lars Laszlo Latifa Laura Lauren Lea Leah Leila Lena Leo Leon Leonie Leticia Liam Lidia Lien Lilian Lina Linda
Lisa Liz Ljubica Lorena Lorenz Lorenzo Louis Louise Luca Lucas Lucia Lucie Lucja Lucy Ludwig Luigi Luis Luise Luka
Lukas Lukasz Lydia Maartje Maciej Madeleine Mads Magda Magdalena Mahmoud Maja Malgorzata Malte Manfred Manish Manoj
Manuel Manuela Marc Marcel Marco Marcus Marek Margaret Margarete Maria Mariam Mariana Marianne Marie Marina Mario
Marion Marius Mariusz Marko Marlene Marta Martha Martin Martina Mary Maryam Mateo Mateusz Mathias Mathilde Matt Matteo
Matthew Matthias Matthieu Maurice Mauro Maximilian Maya Mbali Meera Megan Mehmet Mei Melanie Melissa Mia Michael
Michaela Michal Michel Michelle Mieke Miguel Mikhail Mikkel Mila Milan Milena Ming Mirek Miriam Miriana Mirjam Mohamed
Mohammad Mohammed Mohan Monika Moritz Muhammad Murat Mustafa Mustapha Nadeem Nadia Nadine Nancy Naomi Natalia Natalie
Natasha Nathan Naveen Neena Neha Neil Nele Nenad Ngozi Nicholas Nick Nicola Nicolai Nicolas Nicole Niels Nikhil Nikita
Niklas Nikolai Nikos Nils Nilufar Nina Nisha Njeri Noah Noor Nora Norbert Obinna Oksana Olaf Oleg Olga Oliver Olivia
Olivier Olu Oluwaseun Omar Omid Orla Oskar Osman Pablo Padma Pamela Pankaj Paolo Parisa Pascal Patricia Patrick Patryk
Paul Paula Pauline Pavel Pawel Pedro Peter Petra Philip Philipp Pierre Piotr Pooja Prakash Pranav Preeti Priya Priyanka
Przemek Quentin Rachel Radek Radoslaw Rafael Rafal Rahul Rainer Raj Rajesh Ralf Ralph Ramesh Raphael Rasha Raul Ravi
Raymond Rebecca Regina Reinhard Renate Rene Reza Rhea Ricardo Richard Rita Ritu Robert Roberta Roberto Robin Rodrigo
Roger Rohan Roisin Roland Rolf Romain Ronald Rory Rosa Rosalind Rosemarie Rudolf Russell Rustam Ruth Ryan Saanvi Sabina
Sabine Sabrina Saeed Salim Sally Salma Sam Samantha Sameer Samira Samuel Sandeep Sandra Sanja Sanjay Santiago Sara
Sarah Sascha Saskia Satoshi Sayed Scott Sean Sebastian Selim Selma Serge Sergei Sergey Sergio Serkan Shabnam Shanice
Shankar Shannon Sharon Sheila Shirin Shreya Sibylle Siddharth Sigrid Silke Silvia Simon Simone Sina Siobhan Slawomir
Slobodan Snezana Sofia Sofie Solveig Sonja Sophia Sophie Soren Sorin Stanislav Stanislaw Stefan Stefanie Steffen Stella
Stephan Stephanie Stephen Steve Steven Stuart Sunil Suresh Susan Susanne Sushil Suzanne Sven Svenja Svetlana Sylvia
Sylwia Szymon Tadeusz Takashi Tamara Tamas Tanja Tanya Tara Tariq Tatiana Tatjana Tayo Ted Teresa Thabo Thandiwe Theo
Theodor Theresa Thibault Thomas Thorsten Tiago Tiffany Tim Timo Tina Tobi Tobias Todd Tom Tomas Tomasz Tomoko Tony
Torben Torsten Tracy Trevor Tunde Tuomas Uchenna Uli Ulla Ulrich Ulrike Umar Ursula Urszula Usha Ute Uwais Uwe
Valentina Valeria Valerie Vanessa Vanja Veena Vera Verena Veronica Veronika Vesna Victor Vijay Vikram Viktor Vincent
Vincenzo Vinod Violetta Vishal Vladimir Vojtech Volker Waleed Walter Wanjiru Wei Wendy Werner Wiebke Wiktor Wilhelm
William Witold Wojciech Wojtek Wolfgang Xavier Xiao Yael Yan Yannick Yara Yasmin Yasmina Yemi Ying Yolanda Youssef Yuki
Yuna Yuri Yusuf Yuto Yves Yvonne Zainab Zara Zbigniew Zdenek Zeinab Zeynep Zineb Zlatan Zoe Zofia Zuzanna
"""


# Who reviews, owns or wrote something, and what is somebody's in a program, is no secret.
_AT_WORK = re.compile(
    r"\b(?:[Rr]eview(?:ed)?|[Aa]pprov(?:al|ed)|[Ss]ign(?:ed)?[- ]?off|[Ww]ritten|[Mm]aintained|[Oo]wned"
    r"|[Bb]uilt) (?:by|from)"
    r" [A-Z]\w+(?:(?:,| or| and) [A-Z]\w+)*"
    r"|\b[A-Z]\w+ (?:owns|maintains|wrote|built|signs off)\b"
    r"|\b[A-Z]\w+'s (?:loader|script|parser|tool|service|module|library|importer|exporter|dashboard|template)s?\b"
)


def named(text: str) -> bool:
    """Whether it tells of somebody by name, otherwise than by what they have to do with a thing of work."""
    return _named().search(_AT_WORK.sub(" ", text)) is not None


@cache
def _named() -> re.Pattern[str]:
    """Somebody's first name, or a form of address before any name. Made when it is first used: that takes a while."""
    return re.compile(
        r"(?<![\w./@-])(?:" + "|".join(sorted(_NAMES.split())) + r")(?![\w/@]|[.-]\w)"
        r"|\b(?:Mrs?|Ms|Miss|Herr|Frau|Dr|Prof)\b\.? [A-ZÄÖÜ]\w"
    )
