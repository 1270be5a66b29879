<?php
return ['modules' => []];
