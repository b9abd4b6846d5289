"""First names: who is called by one is a person, and a note that names people is theirs.

Left out are those that are words, places or software as well (Mark, Paris, Julia).
"""

from __future__ import annotations

import re
from functools import cache

_NAMES = """
Aaron Abby Abdul Abigail Achim Adam Adrian Agnes Ahmed Ahmet Aisha Akira Alan Albert Alejandro Alex Alexander
Alexandra Alexis Alfred Ali Alice Alicia Alina Allison Amanda Amelia Amelie Amin Amina Amir Amy Ana Anastasia Anders
Andre Andrea Andreas Andrej Andrew Andrey Andy Angela Angelika Anil Anita Anja Anjali Anke Ann Anna Anne Annette Annika
Anthony Antje Antoine Anton Antonia Antonio Anya Arjun Arne Arthur Ashley Astrid Axel Ayse Barbara Beate Beatrice Ben
Benedikt Benjamin Bernd Bernhard Bettina Bianca Birgit Bjorn Bob Boris Brandon Brenda Brian Brigitte Bruno Camila
Camille Carl Carla Carlos Carol Carolin Caroline Catherine Cecilia Charles Charlie Charlotte Chen Chloe Chris
Christian Christiane Christina Christine Christoph Christopher Claire Clara Claudia Claus Colin Connor Cornelia Cynthia
Dagmar Damian Dan Daniel Daniela Danielle Dario Dave David Deborah Deepak Denis Dennis Diana Diane Diego Dieter Dietmar
Dirk Dmitri Dmitry Dominik Donald Doris Dorothea Doug Douglas Dylan Eberhard Eddie Edith Edward Eileen Elena Eli
Elias Elif Elisa Elisabeth Elizabeth Ella Ellen Elke Emil Emilia Emily Emma Eric Erica Erik Erika Ernst Esther Ethan
Eugen Eva Evelyn Fabian Fabio Farah Fatima Fatma Felix Fernando Fiona Florian Francesca Francesco Francois Frank Franz
Franziska Fred Frederik Frederic Friederike Friedrich Fritz Gabriel Gabriela Gabriele Gareth Gary Gavin Geoff George
Georg Gerald Gerd Gerhard Gerry Gisela Giulia Giovanni Giuseppe Gordon Greg Gregor Greta Gudrun Guido Gunnar Gustav
Hamid Hana Hanna Hannah Hannes Hans Harald Harry Hasan Hassan Heather Heidi Heike Heinrich Heinz Helen Helena Helga
Helmut Hendrik Henning Henri Henrik Henry Herbert Hermann Hilda Hiroshi Holger Howard Ian Ibrahim Igor Ilse Ines Inga
Inge Ingo Ingrid Irene Irina Isaac Isabel Isabella Isabelle Ivan Jack Jacob Jacques Jakob Jakub James Jamie Jan Jana
Jane Janet Janina Janine Jasmin Jason Javier Jean Jeff Jennifer Jenny Jens Jeremy Jerome Jessica Jim Joachim Joan Joanna
Jochen Joe Joel Johan Johanna Johannes John Jonas Jonathan Jorg Jorge Jose Josef Joseph Josephine Joshua Juan Judith
Jules Julian Juliane Julie Justin Jutta Kai Karen Karim Karin Karl Karla Karolina Karsten Katarina Kate Katharina
Kathrin Kathy Katja Katrin Keith Ken Kenji Kerstin Kevin Khalid Kim Klaus Konrad Konstantin Krzysztof Kumar Kurt
Kyle Lara Larry Lars Laura Lauren Lea Leah Leila Lena Leo Leon Leonie Liam Lidia Lina Linda Lisa Liz Lorenz Lorenzo
Louis Louise Luca Lucas Lucia Lucy Ludwig Luigi Luis Luise Lukas Lydia Maciej Magda Magdalena Maja Malte Manfred Manuel
Manuela Marc Marcel Marco Marcus Margaret Margarete Maria Marianne Marie Marina Mario Marion Marius Marlene Marta Martha
Martin Martina Mary Mateo Mathias Mathilde Matt Matteo Matthew Matthias Maurice Maximilian Maya Megan Mehmet Mei Melanie
Melissa Mia Michael Michaela Michel Michelle Miguel Mikhail Mila Milan Milena Ming Miriam Mohamed Mohammad Mohammed
Moritz Muhammad Murat Mustafa Nadia Nadine Nancy Naomi Natalia Natalie Natasha Nathan Neil Nele Nicholas Nick Nicola
Nicolas Nicole Niels Niklas Nikita Nikolai Nils Nina Noah Noor Nora Norbert Olaf Oleg Olga Oliver Olivia Omar Oskar
Pablo Pamela Paolo Patricia Patrick Paul Paula Pauline Pavel Pedro Peter Petra Philip Philipp Pierre Piotr Priya Rachel
Rafael Rahul Rainer Raj Rajesh Ralf Ralph Raphael Raul Ravi Rebecca Regina Reinhard Renate Rene Ricardo Richard Rita
Robert Roberta Roberto Robin Rodrigo Roger Roland Rolf Ronald Rosa Rosemarie Rudolf Russell Ruth Ryan Sabine Sabrina
Sally Sam Samantha Samira Samuel Sandra Sanjay Sara Sarah Sascha Scott Sean Sebastian Selma Serge Sergei Sergey
Sergio Shannon Sharon Sheila Shreya Sibylle Sigrid Silke Silvia Simon Simone Sina Sofia Sofie Sonja Sophia Sophie
Stefan Stefanie Steffen Stella Stephan Stephanie Stephen Steve Steven Stuart Sunil Susan Susanne Suzanne Sven Svenja
Svetlana Sylvia Tamara Tanja Tanya Tara Tariq Tatjana Ted Teresa Theo Theodor Theresa Thomas Thorsten Tiffany Tim
Timo Tina Tobias Todd Tom Tomas Tomasz Tony Torsten Tracy Uli Ulla Ulrich Ulrike Ursula Ute Uwe Valentina Valerie
Vanessa Vera Verena Veronica Veronika Victor Viktor Vijay Vincent Vladimir Volker Walter Wei Wendy Werner Wilhelm
William Wojciech Wolfgang Xavier Yan Yasmin Yuki Yuri Yusuf Yvonne Zeynep Zoe Zofia
"""


@cache
def named() -> re.Pattern[str]:
    """Somebody's first name, or a form of address before any name. Made when it is first used: that takes a while."""
    return re.compile(
        r"(?<![\w./@-])(?:" + "|".join(sorted(_NAMES.split())) + r")(?![\w/@]|[.-]\w)"
        r"|\b(?:Mrs?|Ms|Miss|Herr|Frau|Dr|Prof)\b\.? [A-ZÄÖÜ]\w"
    )
